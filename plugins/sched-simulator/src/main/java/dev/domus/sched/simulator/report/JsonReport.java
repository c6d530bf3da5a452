package dev.domus.sched.simulator.report;

import dev.domus.sched.simulator.engine.HostClock;
import dev.domus.sched.simulator.engine.Measures;
import dev.domus.sched.simulator.scenario.Outcome;
import dev.domus.sched.simulator.scenario.Scenario;
import dev.domus.sched.simulator.scenario.WorkloadResult;
import dev.domus.sched.simulator.workload.Workload;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;
import java.util.TreeMap;
import org.HdrHistogram.Histogram;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.DefaultPrettyPrinter;

/** The comparison for programs. Times are in nanoseconds, shares are parts of one pCPU. */
public final class JsonReport {
  private static final double[] PERCENTILES = {50, 90, 99, 99.9, 100};

  private final JsonGenerator json;
  private final Comparison comparison;

  private JsonReport(JsonGenerator json, Comparison comparison) {
    this.json = json;
    this.comparison = comparison;
  }

  /** Prints it. */
  public static void print(Comparison comparison, PrintWriter out) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(new Indented(), text)) {
      new JsonReport(json, comparison).write();
    }
    out.println(text);
    out.flush();
  }

  private void write() {
    Scenario scenario = comparison.scenario();
    json.writeStartObject();
    json.writeName("scenario");
    json.writeStartObject();
    json.writeNumberProperty("pcpus", scenario.pcpus());
    json.writeNumberProperty("vcpus", scenario.vcpus());
    json.writeNumberProperty("warmupNanos", scenario.warmupNanos());
    json.writeNumberProperty("measuredNanos", scenario.measuredNanos());
    json.writeNumberProperty("seed", scenario.seed());
    json.writeNumberProperty("switchNanos", scenario.costs().switchNanos());
    json.writeNumberProperty("migrationNanos", scenario.costs().migrationNanos());
    json.writeNumberProperty("interruptNanos", scenario.costs().interruptNanos());
    json.writeName("workloads");
    json.writeStartArray();
    scenario.workloads().forEach(this::workload);
    json.writeEndArray();
    json.writeEndObject();
    json.writeName("schedulers");
    json.writeStartArray();
    comparison.outcomes().forEach(this::outcome);
    json.writeEndArray();
    json.writeEndObject();
  }

  private void workload(Workload workload) {
    json.writeStartObject();
    json.writeStringProperty("name", workload.name());
    json.writeStringProperty("behaviour", workload.behaviour().description());
    json.writeNumberProperty("weight", workload.weight());
    json.writeNumberProperty("cap", workload.cap());
    json.writeStringProperty("affinity", workload.affinity().toString());
    json.writeNumberProperty("domains", workload.domains());
    json.writeNumberProperty("vcpusPerDomain", workload.vcpus());
    json.writeEndObject();
  }

  private void outcome(Outcome outcome) {
    json.writeStartObject();
    json.writeStringProperty("label", outcome.contender().label());
    json.writeStringProperty("scheduler", outcome.contender().factory().name());
    json.writeName("parameters");
    json.writeStartObject();
    for (Map.Entry<String, String> value :
        new TreeMap<>(outcome.contender().values().asMap()).entrySet()) {
      json.writeStringProperty(value.getKey(), value.getValue());
    }
    json.writeEndObject();
    json.writeName("fault");
    fault(outcome);
    json.writeNumberProperty("measuredNanos", outcome.measuredNanos());
    json.writeNumberProperty("usedPcpus", outcome.usedPcpus());
    json.writeNumberProperty("overheadNanos", outcome.overheadNanos());
    json.writeNumberProperty("decisions", outcome.decisions());
    json.writeNumberProperty("events", outcome.events());
    json.writeName("workloads");
    json.writeStartArray();
    outcome.workloads().forEach(this::result);
    json.writeEndArray();
    if (comparison.withHostTime() && outcome.host().isPresent()) {
      HostClock host = outcome.host().get();
      json.writeName("hostNanos");
      json.writeStartObject();
      histogram("pick", host.pick());
      histogram("put", host.put());
      histogram("wake", host.wake());
      json.writeEndObject();
    }
    json.writeEndObject();
  }

  private void fault(Outcome outcome) {
    if (outcome.fault().isEmpty()) {
      json.writeNull();
      return;
    }
    Outcome.Fault fault = outcome.fault().get();
    json.writeStartObject();
    json.writeStringProperty("kind", fault.kind().name());
    json.writeStringProperty("message", fault.message());
    json.writeNumberProperty("atNanos", fault.atNanos());
    json.writeName("lastDecisions");
    json.writeStartArray();
    fault.lastDecisions().forEach(json::writeString);
    json.writeEndArray();
    json.writeEndObject();
  }

  private void result(WorkloadResult result) {
    Measures measures = result.measures();
    json.writeStartObject();
    json.writeStringProperty("name", result.workload().name());
    json.writeNumberProperty("meanShare", result.meanShare());
    json.writeNumberProperty("leastShare", result.leastShare());
    json.writeNumberProperty("mostShare", result.mostShare());
    if (result.dueShare().isPresent()) {
      json.writeNumberProperty("dueShare", result.dueShare().getAsDouble());
    }
    json.writeNumberProperty("picks", measures.picks());
    json.writeNumberProperty("switches", measures.switches());
    json.writeNumberProperty("migrations", measures.migrations());
    json.writeNumberProperty("preemptions", measures.preemptions());
    json.writeNumberProperty("longestWaitNanos", measures.longestWaitNanos());
    json.writeNumberProperty("jobs", measures.jobs());
    json.writeNumberProperty("deadlines", measures.deadlines());
    json.writeNumberProperty("misses", measures.misses());
    json.writeNumberProperty("spunNanos", measures.spunNanos());
    histogram("wakeLatencyNanos", measures.wakeLatency());
    histogram("responseNanos", measures.response());
    json.writeEndObject();
  }

  private void histogram(String name, Histogram histogram) {
    json.writeName(name);
    json.writeStartObject();
    json.writeNumberProperty("count", histogram.getTotalCount());
    if (histogram.getTotalCount() > 0) {
      json.writeNumberProperty("mean", histogram.getMean());
      for (double percentile : PERCENTILES) {
        String key =
            percentile == 100 ? "max" : "p" + Double.toString(percentile).replaceFirst("\\.0$", "");
        json.writeNumberProperty(key, histogram.getValueAtPercentile(percentile));
      }
    }
    json.writeEndObject();
  }

  /** Output with line breaks: people read it too. */
  private static final class Indented extends ObjectWriteContext.Base {
    @Override
    public PrettyPrinter getPrettyPrinter() {
      return new DefaultPrettyPrinter();
    }
  }
}
