package dev.domus.sched.simulator.scenario;

import dev.domus.sched.simulator.engine.Costs;
import dev.domus.sched.simulator.workload.Workload;
import java.util.List;

/**
 * A pool and what happens in it; all but the scheduler.
 *
 * @param pcpus how many pCPUs the pool has
 * @param warmupNanos how long nothing is measured
 * @param measuredNanos for how long it is measured then
 * @param seed of all that is random
 */
public record Scenario(
    int pcpus,
    Costs costs,
    long warmupNanos,
    long measuredNanos,
    long seed,
    List<Workload> workloads) {
  /** Copies the list. */
  public Scenario {
    workloads = List.copyOf(workloads);
  }

  /** All vCPUs. */
  public int vcpus() {
    return workloads.stream().mapToInt(Workload::totalVcpus).sum();
  }
}
