/**
 * What simulated vCPUs do: synthetic workloads, recorded ones, and how they are written down. Start
 * at {@link dev.domus.sched.simulator.workload.Workload}.
 */
package dev.domus.sched.simulator.workload;
