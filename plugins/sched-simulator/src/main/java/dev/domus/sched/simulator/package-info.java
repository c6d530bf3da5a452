/**
 * Schedulers in virtual time: {@code domus sched simulate}. Runs the scheduler plugins that are
 * loaded, without a machine, on workloads that are described or were recorded, and compares them.
 *
 * <p>Packages, each using those before it: {@link dev.domus.sched.simulator.engine} (the pool),
 * {@link dev.domus.sched.simulator.workload} (what vCPUs do), {@link
 * dev.domus.sched.simulator.scenario} (schedulers in scenarios), {@link
 * dev.domus.sched.simulator.report}. Start at {@link dev.domus.sched.simulator.SimulateSubcommand}.
 */
package dev.domus.sched.simulator;
