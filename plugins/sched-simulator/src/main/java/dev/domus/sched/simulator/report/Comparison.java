package dev.domus.sched.simulator.report;

import dev.domus.sched.simulator.engine.Costs;
import dev.domus.sched.simulator.engine.HostClock;
import dev.domus.sched.simulator.engine.Measures;
import dev.domus.sched.simulator.scenario.Outcome;
import dev.domus.sched.simulator.scenario.Scenario;
import dev.domus.sched.simulator.scenario.WorkloadResult;
import dev.domus.sched.simulator.workload.Durations;
import dev.domus.sched.simulator.workload.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.Function;
import org.HdrHistogram.Histogram;

/**
 * Outcomes of one scenario side by side: a column a scheduler, and rows of texts that the terminal
 * and the page both show.
 *
 * @param withHostTime whether what the host paid is shown: the only part that differs from run to
 *     run
 */
public record Comparison(Scenario scenario, List<Outcome> outcomes, boolean withHostTime) {
  /** Copies the list. */
  public Comparison {
    outcomes = List.copyOf(outcomes);
  }

  /**
   * Some rows under a heading.
   *
   * @param note a sentence below the heading; may be empty
   */
  record Section(String heading, String note, List<Row> rows) {}

  /** What is measured, and its value for each scheduler. */
  record Row(String label, List<String> cells) {}

  private static final String NOTHING = "-";

  /** The names of the columns. */
  List<String> labels() {
    return outcomes.stream().map(outcome -> outcome.contender().label()).toList();
  }

  /** What was simulated, in a sentence. */
  String headline() {
    Costs costs = scenario.costs();
    return "%,d pCPUs, %,d vCPUs, %s measured after %s of warm-up, seed %d; a switch takes %s, a migration %s, an interrupt %s"
        .formatted(
            scenario.pcpus(),
            scenario.vcpus(),
            Durations.show(scenario.measuredNanos()),
            Durations.show(scenario.warmupNanos()),
            scenario.seed(),
            Durations.show(costs.switchNanos()),
            Durations.show(costs.migrationNanos()),
            Durations.show(costs.interruptNanos()));
  }

  /** Faults, a line or more each. */
  List<String> faults() {
    List<String> lines = new ArrayList<>();
    for (Outcome outcome : outcomes) {
      outcome
          .fault()
          .ifPresent(fault -> {
            lines.add(
                "%s: %s%s: %s"
                    .formatted(
                        outcome.contender().label(),
                        fault.kind(),
                        fault.atNanos() == 0 ? "" : " at " + Durations.show(fault.atNanos()),
                        fault.message()));
            if (!fault.lastDecisions().isEmpty()) {
              lines.add("  its last decisions:");
              fault.lastDecisions().forEach(line -> lines.add("    " + line));
            }
          });
    }
    return lines;
  }

  /** All there is to show. */
  List<Section> sections() {
    List<Section> sections = new ArrayList<>();
    sections.add(pool());
    for (int i = 0; i < scenario.workloads().size(); i++) {
      sections.add(workload(i));
    }
    if (withHostTime) {
      sections.add(host());
    }
    return sections;
  }

  private Section pool() {
    List<Row> rows = new ArrayList<>();
    if (outcomes.stream().anyMatch(outcome -> outcome.fault().isPresent())) {
      rows.add(
          new Row(
              "ended by",
              outcomes.stream()
                  .map(o -> o.fault().map(fault -> fault.kind().name()).orElse("its time"))
                  .toList()));
    }
    rows.add(row("pCPU time used by vCPUs", o -> percent(o.usedPcpus() / scenario.pcpus(), 1)));
    rows.add(
        row(
            "pCPU time lost to switches",
            o -> percent(o.overheadNanos() / (double) o.measuredNanos() / scenario.pcpus(), 2)));
    if (scenario.workloads().stream().anyMatch(w -> w.behaviour().isHungry())) {
      rows.add(row("share off its due, worst workload", o -> worst(o, WorkloadResult::meanError)));
      rows.add(row("share off its due, worst vCPU", o -> worst(o, WorkloadResult::worstError)));
    }
    rows.add(row("wake-up latency p50", o -> quantile(o.wakeLatency(), 50)));
    rows.add(row("wake-up latency p99", o -> quantile(o.wakeLatency(), 99)));
    rows.add(row("wake-up latency p99.9", o -> quantile(o.wakeLatency(), 99.9)));
    rows.add(row("wake-up latency max", o -> quantile(o.wakeLatency(), 100)));
    if (outcomes.stream().anyMatch(o -> o.sum(Measures::deadlines) > 0)) {
      rows.add(
          row("deadlines missed", o -> part(o.sum(Measures::misses), o.sum(Measures::deadlines))));
    }
    rows.add(row("switches per pCPU and second", o -> rate(o, o.sum(Measures::switches))));
    rows.add(row("migrations per pCPU and second", o -> rate(o, o.sum(Measures::migrations))));
    rows.add(row("preemptions per pCPU and second", o -> rate(o, o.sum(Measures::preemptions))));
    rows.add(row("decisions per pCPU and second", o -> rate(o, o.decisions())));
    return new Section("pool", "", rows);
  }

  private Section workload(int index) {
    Workload workload = scenario.workloads().get(index);
    List<Row> rows = new ArrayList<>();
    rows.add(cell(index, "share of a pCPU, mean", r -> percent(r.meanShare(), 2)));
    if (workload.behaviour().isHungry()) {
      rows.add(
          cell(
              index,
              "share due by weight",
              r -> r.dueShare().isPresent() ? percent(r.dueShare().getAsDouble(), 2) : NOTHING));
      rows.add(
          cell(
              index,
              "share, least and most",
              r -> percent(r.leastShare(), 2) + " " + percent(r.mostShare(), 2)));
    }
    if (any(index, m -> m.wakeLatency().getTotalCount() > 0)) {
      rows.add(cell(index, "wake-up latency p50", r -> quantile(r.measures().wakeLatency(), 50)));
      rows.add(cell(index, "wake-up latency p99", r -> quantile(r.measures().wakeLatency(), 99)));
      rows.add(cell(index, "wake-up latency max", r -> quantile(r.measures().wakeLatency(), 100)));
    }
    if (workload.behaviour().hasResponse()) {
      rows.add(cell(index, "work done per vCPU and second", r -> number(r.jobsPerSecond())));
      rows.add(cell(index, "response p50", r -> quantile(r.measures().response(), 50)));
      rows.add(cell(index, "response p99", r -> quantile(r.measures().response(), 99)));
    }
    if (any(index, m -> m.deadlines() > 0)) {
      rows.add(
          cell(
              index,
              "deadlines missed",
              r -> part(r.measures().misses(), r.measures().deadlines())));
    }
    if (any(index, m -> m.spunNanos() > 0)) {
      rows.add(cell(index, "of its time spent spinning", r -> percent(r.spunPart(), 1)));
    }
    rows.add(cell(index, "longest wait for a pCPU", r -> time(r.measures().longestWaitNanos())));
    return new Section(workload.name(), describe(workload), rows);
  }

  /** What a workload is, in a line. */
  static String describe(Workload workload) {
    return "%,d vCPUs in %,d domains, weight %d%s: %s"
        .formatted(
            workload.totalVcpus(),
            workload.domains(),
            workload.weight(),
            workload.cap() == 0 ? "" : ", cap " + workload.cap() + " %",
            workload.behaviour().description());
  }

  private Section host() {
    List<Row> rows = new ArrayList<>();
    rows.add(row("pick p50", o -> cost(o, HostClock::pick, 50)));
    rows.add(row("pick p99", o -> cost(o, HostClock::pick, 99)));
    rows.add(row("put p50", o -> cost(o, HostClock::put, 50)));
    rows.add(row("put p99", o -> cost(o, HostClock::put, 99)));
    rows.add(row("wake p50", o -> cost(o, HostClock::wake, 50)));
    rows.add(row("wake p99", o -> cost(o, HostClock::wake, 99)));
    return new Section(
        "cost of decisions",
        "real time on this host, JVM warm-up and whatever else ran included; not part of what is simulated, and different each time",
        rows);
  }

  // ------------------------------------------------------------------ cells

  private Row row(String label, Function<Outcome, String> cell) {
    return new Row(
        label, outcomes.stream().map(o -> o.hasResults() ? cell.apply(o) : NOTHING).toList());
  }

  private Row cell(int workload, String label, Function<WorkloadResult, String> cell) {
    return row(label, outcome -> cell.apply(outcome.workloads().get(workload)));
  }

  private boolean any(int workload, Function<Measures, Boolean> condition) {
    return outcomes.stream()
        .filter(Outcome::hasResults)
        .anyMatch(o -> condition.apply(o.workloads().get(workload).measures()));
  }

  private static String cost(
      Outcome outcome, Function<HostClock, Histogram> kind, double percentile) {
    return outcome.host().map(host -> quantile(kind.apply(host), percentile)).orElse(NOTHING);
  }

  private static String worst(Outcome outcome, Function<WorkloadResult, OptionalDouble> error) {
    double worst =
        outcome.workloads().stream()
            .map(error)
            .filter(OptionalDouble::isPresent)
            .mapToDouble(value -> Math.abs(value.getAsDouble()))
            .max()
            .orElse(0);
    return percent(worst, 1);
  }

  private String rate(Outcome outcome, long count) {
    double seconds = outcome.measuredNanos() / 1e9;
    return number(count / seconds / scenario.pcpus());
  }

  private static String number(double value) {
    int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
    return String.format(Locale.ROOT, "%,." + decimals + "f", value);
  }

  static String percent(double part, int decimals) {
    return String.format(Locale.ROOT, "%." + decimals + "f %%", 100 * part);
  }

  private static String part(long count, long of) {
    return of == 0
        ? NOTHING
        : count == 0
            ? "none of " + String.format(Locale.ROOT, "%,d", of)
            : percent(count / (double) of, 2);
  }

  private static String time(long nanos) {
    return Durations.show(nanos);
  }

  private static String quantile(Histogram histogram, double percentile) {
    return histogram.getTotalCount() == 0
        ? NOTHING
        : time(histogram.getValueAtPercentile(percentile));
  }
}
