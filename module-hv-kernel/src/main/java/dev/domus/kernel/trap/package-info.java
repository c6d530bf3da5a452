/**
 * What happens when a guest leaves guest mode by an exception or SYSCALL, and how it is brought
 * back: trap table, bounce frames, event upcalls, iret, and the privileged instructions that a PV
 * guest may use (xen-pv-abi.md, 8 and 9). Start at {@link dev.domus.kernel.trap.ExceptionExit} and
 * {@link dev.domus.kernel.trap.Bounce}.
 */
package dev.domus.kernel.trap;
