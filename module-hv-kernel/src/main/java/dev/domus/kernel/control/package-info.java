/**
 * Control of domains and of scheduling by a privileged service domain: domctl, sysctl and the
 * privileged part of memory_op as typed Java calls. The policy (where things go, what they are
 * called, when to destroy) is the caller's. Start at {@link dev.domus.kernel.control.Control}.
 */
package dev.domus.kernel.control;
