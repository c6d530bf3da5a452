package dev.domus.sched.simulator.scenario;

import dev.domus.sched.simulator.engine.Measures;
import dev.domus.sched.simulator.workload.Workload;
import java.util.OptionalDouble;

/**
 * What became of a workload under one scheduler.
 *
 * @param measuredNanos for how long
 * @param shares pCPU time of its vCPUs as parts of one pCPU, in their order
 * @param dueShare what each should have had by its weight, if that can be said: if it always wants
 *     more
 */
public record WorkloadResult(
    Workload workload,
    Measures measures,
    long measuredNanos,
    double[] shares,
    OptionalDouble dueShare) {
  /** Jobs that each vCPU did in a second, on average. */
  public double jobsPerSecond() {
    return measures.jobs() / (measuredNanos / 1e9) / shares.length;
  }

  /** How much of its pCPU time went into spinning. */
  public double spunPart() {
    double ran = meanShare() * shares.length * measuredNanos;
    return ran == 0 ? 0 : measures.spunNanos() / ran;
  }

  /** The mean share. */
  public double meanShare() {
    double sum = 0;
    for (double share : shares) {
      sum += share;
    }
    return sum / shares.length;
  }

  /** The smallest share. */
  public double leastShare() {
    double least = Double.MAX_VALUE;
    for (double share : shares) {
      least = Math.min(least, share);
    }
    return least;
  }

  /** The largest share. */
  public double mostShare() {
    double most = 0;
    for (double share : shares) {
      most = Math.max(most, share);
    }
    return most;
  }

  /** How far the mean is from what is due, as a part of that. */
  public OptionalDouble meanError() {
    return errorOf(meanShare());
  }

  /** How far the vCPU is that is farthest from what is due, as a part of that. */
  public OptionalDouble worstError() {
    OptionalDouble least = errorOf(leastShare());
    return least.isEmpty()
        ? least
        : OptionalDouble.of(
            Math.max(Math.abs(least.getAsDouble()), Math.abs(errorOf(mostShare()).getAsDouble())));
  }

  private OptionalDouble errorOf(double share) {
    return dueShare.isEmpty() || dueShare.getAsDouble() == 0
        ? OptionalDouble.empty()
        : OptionalDouble.of(share / dueShare.getAsDouble() - 1);
  }
}
