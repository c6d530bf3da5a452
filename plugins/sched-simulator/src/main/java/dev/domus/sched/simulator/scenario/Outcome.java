package dev.domus.sched.simulator.scenario;

import dev.domus.sched.simulator.engine.HostClock;
import dev.domus.sched.simulator.engine.Measures;
import dev.domus.sched.simulator.engine.SchedulerFaultException;
import java.util.List;
import java.util.Optional;
import java.util.function.ToLongFunction;
import org.HdrHistogram.Histogram;

/**
 * What became of a scenario under one scheduler.
 *
 * @param workloads in the order of the scenario's; empty if the scheduler did not even start
 * @param measuredNanos how long was measured: less than asked for if there was a fault
 * @param overheadNanos pCPU time that went into switches
 * @param decisions how often the scheduler was asked
 * @param fault what it did wrong, if it did
 * @param host what the host paid, and no part of what was simulated; absent if the scheduler did
 *     not start
 */
public record Outcome(
    Contender contender,
    List<WorkloadResult> workloads,
    long measuredNanos,
    long overheadNanos,
    long decisions,
    long events,
    Optional<Fault> fault,
    Optional<HostClock> host) {
  /** Copies the list. */
  public Outcome {
    workloads = List.copyOf(workloads);
  }

  /**
   * What a scheduler did wrong.
   *
   * @param atNanos when, in virtual time
   * @param lastDecisions before it, a line each
   */
  public record Fault(
      SchedulerFaultException.Kind kind, String message, long atNanos, List<String> lastDecisions) {
    /** Copies the list. */
    public Fault {
      lastDecisions = List.copyOf(lastDecisions);
    }
  }

  /** Whether anything was measured. */
  public boolean hasResults() {
    return measuredNanos > 0 && !workloads.isEmpty();
  }

  /** A count over all workloads. */
  public long sum(ToLongFunction<Measures> count) {
    return workloads.stream().mapToLong(result -> count.applyAsLong(result.measures())).sum();
  }

  /** pCPU time of all vCPUs, as a number of pCPUs. */
  public double usedPcpus() {
    return workloads.stream()
        .mapToDouble(result -> result.meanShare() * result.shares().length)
        .sum();
  }

  /** The wake-up latencies of all workloads. */
  public Histogram wakeLatency() {
    Histogram all = new Histogram(3_600_000_000_000L, 3);
    workloads.forEach(result -> all.add(result.measures().wakeLatency()));
    return all;
  }
}
