/**
 * Who may do what to whom, as plugins decide it. Start at {@link
 * dev.domus.kernel.access.AccessPolicyFactory}, the extension point; {@link
 * dev.domus.kernel.access.AccessPolicy} is what answers, and {@link
 * dev.domus.kernel.access.Operation} what can be asked. Knows nothing of what the operations do.
 */
package dev.domus.kernel.access;
