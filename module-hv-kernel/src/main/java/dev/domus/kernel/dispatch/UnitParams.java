package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedUnit;

/**
 * What an operator says about a unit; see {@link SchedUnit} for meaning and ranges.
 *
 * @param weight 1 … {@link SchedUnit#MAX_WEIGHT}
 * @param cap percent of one pCPU for the domain, or {@link SchedUnit#NO_CAP}
 * @param affinity the pCPUs it may run on
 */
public record UnitParams(int weight, int cap, CpuMask affinity) {
  /** Default weight, no cap, any pCPU. */
  public static final UnitParams DEFAULT =
      new UnitParams(SchedUnit.DEFAULT_WEIGHT, SchedUnit.NO_CAP, CpuMask.ALL);

  /** Checks the ranges. */
  public UnitParams {
    if (weight < 1 || weight > SchedUnit.MAX_WEIGHT) {
      throw new IllegalArgumentException(
          "weight must be in 1 … %d: weight=%d".formatted(SchedUnit.MAX_WEIGHT, weight));
    }
    if (cap < 0) {
      throw new IllegalArgumentException("cap must be 0 (none) or a percentage: cap=" + cap);
    }
  }

  /** The same with another weight. */
  public UnitParams withWeight(int newWeight) {
    return new UnitParams(newWeight, cap, affinity);
  }

  /** The same with another cap. */
  public UnitParams withCap(int newCap) {
    return new UnitParams(weight, newCap, affinity);
  }

  /** The same with another affinity. */
  public UnitParams withAffinity(CpuMask newAffinity) {
    return new UnitParams(weight, cap, newAffinity);
  }
}
