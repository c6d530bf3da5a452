/**
 * Who may do what to whom: the one place where the kernel decides whether a domain may act on
 * another. Start at {@link dev.domus.kernel.access.AccessControl}, which everybody asks; {@link
 * dev.domus.kernel.access.AccessPolicy} is what answers and can be replaced, {@link
 * dev.domus.kernel.access.Operation} what can be asked. Knows nothing of what the operations do.
 */
package dev.domus.kernel.access;
