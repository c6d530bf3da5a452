/**
 * The scheduler SPI: what a scheduler plugin implements, and what it may know of the vCPUs it
 * schedules.
 *
 * <p>The kernel dispatches, a scheduler decides. A plugin provides a {@link
 * dev.domus.kernel.sched.SchedulerFactory}; each cpupool has one {@link
 * dev.domus.kernel.sched.Scheduler} made by it. The scheduler is told which {@linkplain
 * dev.domus.kernel.sched.SchedUnit units} exist and which are runnable, and answers one question:
 * what does this pCPU run next, and for how long? Everything here takes the time as an argument and
 * knows no thread and no clock, so the same classes run in a simulator in virtual time.
 *
 * <p>Start at {@link dev.domus.kernel.sched.Scheduler}, whose comment is the contract. {@link
 * dev.domus.kernel.sched.UnitQueue}, {@link dev.domus.kernel.sched.CpuSet} and {@link
 * dev.domus.kernel.sched.CapBucket} are for whoever writes one, and nobody has to use them.
 */
package dev.domus.kernel.sched;
