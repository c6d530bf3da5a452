package dev.domus.sched.simulator.scenario;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.simulator.workload.Workload;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What workloads say about units to schedulers, checked against what those declare. */
public final class UnitParameters {
  private UnitParameters() {}

  /**
   * The checked parameters of a workload's vCPUs, by scheduler.
   *
   * @param known the schedulers there are; parameters for others are an error
   */
  public static Map<String, SchedParameters> check(Workload workload, List<SchedulerFactory> known)
      throws UsageException {
    Map<String, SchedParameters> checked = new LinkedHashMap<>();
    for (Map.Entry<String, Map<String, String>> given : workload.parameters().entrySet()) {
      SchedulerFactory factory =
          Contender.find(given.getKey(), known)
              .orElseThrow(() ->
                  new UsageException(
                      "workload %s: there is no scheduler %s, which %s would be for"
                          .formatted(workload.name(), given.getKey(), given.getValue())));
      try {
        checked.put(
            factory.name(),
            SchedParameters.checkUnit(factory, given.getValue(), SchedParameters.none(), known));
      } catch (IllegalArgumentException refusal) {
        throw new UsageException("workload " + workload.name() + ": " + refusal.getMessage());
      }
    }
    return checked;
  }
}
