/**
 * What stands behind a service domain: its hypercalls in their typed form, and the registry by
 * which services find one another. Start at {@link dev.domus.kernel.servicedomain.TypedHypercalls}.
 */
package dev.domus.kernel.servicedomain;
