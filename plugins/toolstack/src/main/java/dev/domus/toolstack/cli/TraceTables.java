package dev.domus.toolstack.cli;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.toolstack.trace.Distribution;
import dev.domus.toolstack.trace.TraceLog;
import dev.domus.toolstack.trace.TraceSummary;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The summary of a trace as tables. Times in the columns are in the unit that the column names. */
final class TraceTables {
  private static final double MICROS = 1e3, MILLIS = 1e6;
  private static final int MOST_ROWS = 20;

  private final TraceLog log;
  private final TraceSummary summary;
  private final Map<String, Listing> tables = new LinkedHashMap<>();

  TraceTables(TraceLog log) {
    this.log = log;
    summary = TraceSummary.of(log);
    tables.put("vcpus", vcpus());
    tables.put("pcpus", pcpus());
    tables.put("hypercalls", hypercalls());
    tables.put("events", events());
    tables.put("schedulers", schedulers());
  }

  /** As JSON: an object with the trace's own figures and an array a table. */
  void printJson(PrintWriter out) {
    Map<String, Listing> all = new LinkedHashMap<>();
    Listing trace =
        new Listing("records", "seconds", "overwritten", "dropped", "complete", "events", "grants");
    trace.add(
        log.size(),
        log.durationNanos() / 1e9,
        log.losses().overwritten(),
        log.losses().dropped(),
        log.losses().complete(),
        groups(log.events()),
        summary.grants());
    all.put("trace", trace);
    all.putAll(tables);
    Listing.printJson(all, out);
  }

  /** For people: a line on the trace, and the tables that are not empty. */
  void printText(PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "%,d records in %.3f s: %s%n",
        log.size(),
        log.durationNanos() / 1e9,
        groups(log.events()));
    TraceLog.Losses losses = log.losses();
    if (losses.overwritten() + losses.dropped() != 0) {
      out.printf(
          Locale.ROOT,
          "%,d records are missing; what follows counts what is there%n",
          losses.overwritten() + losses.dropped());
    }
    if (!losses.complete()) {
      out.println("the recording was cut off; its last moments are missing");
    }
    tables.forEach((name, table) -> {
      if (!table.isEmpty()) {
        out.println();
        table.print(out, false);
      }
    });
    if (summary.grants() != 0) {
      out.printf(Locale.ROOT, "%n%,d grants used%n", summary.grants());
    }
    out.flush();
  }

  private static String groups(Set<TraceEvent> events) {
    return events.stream()
        .map(event -> event.group().label())
        .distinct()
        .collect(Collectors.joining(", "));
  }

  private Listing vcpus() {
    Listing table =
        new Listing(
            "vcpu",
            "domain",
            "cpu-%",
            "cpu-ms",
            "runs",
            "wakes",
            "moved",
            "wait-us-p50",
            "p90",
            "p99",
            "max",
            "hypercalls",
            "faults");
    for (TraceSummary.VcpuLine line : summary.vcpus()) {
      Distribution wait = line.latency();
      table.add(
          TraceLog.vcpuLabel(line.vcpu()),
          log.domainLabel(line.vcpu() >>> 16),
          percent(line.ranNanos()),
          line.ranNanos() / MILLIS,
          line.runs(),
          line.wakes(),
          line.migrations(),
          wait.percentile(50) / MICROS,
          wait.percentile(90) / MICROS,
          wait.percentile(99) / MICROS,
          wait.max() / MICROS,
          line.hypercalls(),
          line.faults());
    }
    return table;
  }

  private double percent(long nanos) {
    return 100.0 * nanos / Math.max(1, log.durationNanos());
  }

  private Listing pcpus() {
    Listing table =
        new Listing("pcpu", "busy-%", "switches", "idle-picks", "decision-us-p50", "p99", "max");
    for (TraceSummary.PcpuLine line : summary.pcpus()) {
      Distribution took = line.decisions();
      table.add(
          line.pcpu(),
          percent(line.busyNanos()),
          line.switches(),
          line.idlePicks(),
          took.percentile(50) / MICROS,
          took.percentile(99) / MICROS,
          took.max() / MICROS);
    }
    return table;
  }

  private Listing hypercalls() {
    Listing table = new Listing("hypercall", "calls", "errors", "total-ms", "us-p50", "p99", "max");
    for (TraceSummary.CallLine line : summary.calls().stream().limit(MOST_ROWS).toList()) {
      Distribution took = line.took();
      table.add(
          line.name(),
          took.count(),
          line.errors(),
          took.sum() / MILLIS,
          took.percentile(50) / MICROS,
          took.percentile(99) / MICROS,
          took.max() / MICROS);
    }
    return table;
  }

  private Listing events() {
    Listing table = new Listing("events-from", "to", "count");
    summary.talks().stream()
        .limit(MOST_ROWS)
        .forEach(talk ->
            table.add(
                talk.getKey().from() == -1 ? "machine" : TraceLog.vcpuLabel(talk.getKey().from()),
                log.domainLabel(talk.getKey().toDomain()),
                talk.getValue()));
    return table;
  }

  private Listing schedulers() {
    Listing table = new Listing("at-ms", "scheduler", "what");
    for (int i = 0; i < log.size(); i++) {
      int high = TraceRecord.high(log.a(i));
      int low = (int) TraceRecord.low(log.a(i));
      if (log.kind(i) == TraceEvent.SWAP) {
        table.add(
            log.time(i) / MILLIS,
            log.name(low),
            log.detail(i) == 1
                ? String.format(
                    Locale.ROOT,
                    "took over from %s; pCPUs were held for %.1f us",
                    log.name(high),
                    log.b(i) / MICROS)
                : "was refused; " + log.name(high) + " goes on");
      } else if (log.kind(i) == TraceEvent.SCHED_FAULT) {
        table.add(log.time(i) / MILLIS, log.name(low), "was put off pool " + log.name(high));
      }
    }
    return table;
  }
}
