package dev.domus.kernel.domctl;

import dev.domus.kernel.control.SchedulerReport;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.SchedulerFault;
import dev.domus.kernel.trace.ring.Fall;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** What the dispatcher knows of falls of schedulers, put together with what went before each. */
final class SchedulerReports {
  /** How many decisions are told in all, and of each pCPU at least. */
  private static final int MOST_LINES = 16, LEAST_OF_PCPU = 2;

  private SchedulerReports() {}

  static List<SchedulerReport> of(Dispatcher dispatcher, Cpupools cpupools) {
    // The tracer hears of each fault before the dispatcher lists it, so there is a fall for each;
    // one that comes just now is at the end.
    List<SchedulerFault> faults = dispatcher.faults();
    List<Fall> falls = new ArrayList<>(dispatcher.tracer().falls());
    List<SchedulerReport> reports = new ArrayList<>();
    for (SchedulerFault fault : faults) {
      reports.add(
          new SchedulerReport(
              fault.pool(),
              fault.scheduler(),
              fault.provider(),
              fault.kind().name(),
              fault.detail(),
              lastDecisions(fault, falls, cpupools),
              fault.atNanos()));
    }
    return reports;
  }

  /** What went before a fault: the first such fall in its pool, which is taken from the list. */
  private static List<String> lastDecisions(
      SchedulerFault fault, List<Fall> falls, Cpupools cpupools) {
    for (int i = 0; i < falls.size(); i++) {
      Fall fall = falls.get(i);
      if (fall.pool().equals(fault.pool()) && fall.scheduler().equals(fault.scheduler())) {
        falls.remove(i);
        return lines(fall, cpupools);
      }
    }
    return List.of();
  }

  private static List<String> lines(Fall fall, Cpupools cpupools) {
    Set<Integer> pcpus =
        cpupools.all().stream()
            .filter(cpupool -> cpupool.name().equals(fall.pool()))
            .findFirst()
            .map(cpupool -> Arrays.stream(cpupool.pcpus()).boxed().collect(Collectors.toSet()))
            .orElse(fall.lastDecisions().keySet());
    int each = Math.max(LEAST_OF_PCPU, MOST_LINES / Math.max(1, pcpus.size()));
    List<String> lines = new ArrayList<>();
    fall.lastDecisions()
        .forEach((pcpu, decisions) -> {
          if (pcpus.contains(pcpu)) {
            decisions.stream()
                .skip(Math.max(0, decisions.size() - each))
                .forEach(decision -> lines.add("pCPU " + pcpu + ": " + decision));
          }
        });
    return lines;
  }
}
