/**
 * A scheduler that misbehaves when asked to, to show that the kernel and the contract kit catch it.
 * Start at {@link dev.domus.sched.chaos.Chaos}.
 */
package dev.domus.sched.chaos;
