package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedUnit;
import java.util.HashMap;
import java.util.Map;

/**
 * What an operator says about a unit; see {@link SchedUnit} for meaning and ranges.
 *
 * @param weight 1 … {@link SchedUnit#MAX_WEIGHT}
 * @param cap percent of one pCPU for the domain, or {@link SchedUnit#NO_CAP}
 * @param affinity the pCPUs it may run on
 * @param softAffinity the pCPUs it had better run on
 * @param parameters by the name of the scheduler whose unit parameters they are
 */
public record UnitParams(
    int weight,
    int cap,
    CpuMask affinity,
    CpuMask softAffinity,
    Map<String, SchedParameters> parameters) {
  /** Default weight, no cap, any pCPU. */
  public static final UnitParams DEFAULT =
      new UnitParams(
          SchedUnit.DEFAULT_WEIGHT, SchedUnit.NO_CAP, CpuMask.ALL, CpuMask.ALL, Map.of());

  /** Checks the ranges. */
  public UnitParams {
    if (weight < 1 || weight > SchedUnit.MAX_WEIGHT) {
      throw new IllegalArgumentException(
          "weight must be in 1 … %d: weight=%d".formatted(SchedUnit.MAX_WEIGHT, weight));
    }
    if (cap < 0) {
      throw new IllegalArgumentException("cap must be 0 (none) or a percentage: cap=" + cap);
    }
    parameters = Map.copyOf(parameters);
  }

  /** The same with another weight. */
  public UnitParams withWeight(int newWeight) {
    return new UnitParams(newWeight, cap, affinity, softAffinity, parameters);
  }

  /** The same with another cap. */
  public UnitParams withCap(int newCap) {
    return new UnitParams(weight, newCap, affinity, softAffinity, parameters);
  }

  /** The same with another affinity. */
  public UnitParams withAffinity(CpuMask newAffinity) {
    return new UnitParams(weight, cap, newAffinity, softAffinity, parameters);
  }

  /** The same with another soft affinity. */
  public UnitParams withSoftAffinity(CpuMask newAffinity) {
    return new UnitParams(weight, cap, affinity, newAffinity, parameters);
  }

  /** The same with other parameters for one scheduler. */
  public UnitParams withParameters(String scheduler, SchedParameters values) {
    Map<String, SchedParameters> all = new HashMap<>(parameters);
    all.put(scheduler, values);
    return new UnitParams(weight, cap, affinity, softAffinity, all);
  }

  /** What was given for one scheduler. */
  public SchedParameters given(String scheduler) {
    return parameters.getOrDefault(scheduler, SchedParameters.none());
  }
}
