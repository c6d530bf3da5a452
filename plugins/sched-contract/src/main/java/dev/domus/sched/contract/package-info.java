/**
 * The scheduler contract kit. A scheduler's tests extend {@link
 * dev.domus.sched.contract.SchedulerContract}, name their factory, say what it {@linkplain
 * dev.domus.sched.contract.Claim claims}, and get its tests; {@link
 * dev.domus.sched.contract.Simulator} serves for tests of their own.
 */
package dev.domus.sched.contract;
