/**
 * The hypercall table and its entries, one class a hypercall. {@link
 * dev.domus.kernel.hypercall.HypercallTable} is where to start: it dispatches, counts, and answers
 * −ENOSYS for what is not there. Calls that belong to a part with much state of its own (MMU,
 * events, grants) live beside that part.
 */
package dev.domus.kernel.hypercall;
