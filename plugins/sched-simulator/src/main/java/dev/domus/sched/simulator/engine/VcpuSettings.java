package dev.domus.sched.simulator.engine;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedUnit;
import java.util.Map;

/**
 * What an operator says about a vCPU; meaning and ranges as in {@link SchedUnit}.
 *
 * @param parameters checked unit parameters, by the name of the scheduler that they are for
 */
public record VcpuSettings(
    int weight,
    int cap,
    CpuMask affinity,
    CpuMask softAffinity,
    Map<String, SchedParameters> parameters) {
  /** Default weight, no cap, any pCPU. */
  public static final VcpuSettings DEFAULT = ofWeight(SchedUnit.DEFAULT_WEIGHT);

  /** Some weight, no cap, any pCPU. */
  public static VcpuSettings ofWeight(int weight) {
    return new VcpuSettings(weight, SchedUnit.NO_CAP, CpuMask.ALL, CpuMask.ALL, Map.of());
  }

  /** Copies the map. */
  public VcpuSettings {
    parameters = Map.copyOf(parameters);
  }
}
