package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * The records one a line, as text or as JSON. Times are in nanoseconds since recording began.
 *
 * @param filter which records
 */
public record RecordList(Filter filter) {
  /**
   * Which records are wanted.
   *
   * @param events of these kinds
   * @param domid about this domain
   * @param vcpu about this vCPU, as {@link TraceRecord#vcpuKey}
   * @param pcpu written by this pCPU
   * @param fromNanos from this time on
   * @param toNanos before this time
   * @param limit so many at most
   */
  public record Filter(
      Set<TraceEvent> events,
      OptionalInt domid,
      OptionalInt vcpu,
      OptionalInt pcpu,
      long fromNanos,
      long toNanos,
      long limit) {
    boolean wants(TraceLog log, int i) {
      long time = log.time(i);
      return time >= fromNanos
          && time < toNanos
          && events.contains(log.kind(i))
          && (domid.isEmpty() || domid.getAsInt() == log.domid(i))
          && (vcpu.isEmpty() || vcpu.getAsInt() == log.vcpu(i))
          && (pcpu.isEmpty() || pcpu.getAsInt() == log.pcpu(i));
    }
  }

  /** Prints them, aligned for people. */
  public void printText(TraceLog log, PrintWriter out) {
    long left = filter.limit;
    for (int i = 0; i < log.size() && left > 0; i++) {
      if (filter.wants(log, i)) {
        left--;
        StringBuilder line = new StringBuilder();
        line.append(String.format(Locale.ROOT, "%,17d ", log.time(i)));
        line.append(
            String.format(
                "%-4s %-11s %-8s", pcpu(log, i), log.kind(i).label(), RecordFields.vcpu(log, i)));
        RecordFields.of(log, i)
            .forEach((name, value) -> line.append(' ').append(name).append('=').append(value));
        out.println(line.toString().stripTrailing());
      }
    }
    out.flush();
  }

  /** Prints an object a line. */
  public void printJson(TraceLog log, PrintWriter out) {
    JsonFactory factory = new JsonFactory();
    long left = filter.limit;
    for (int i = 0; i < log.size() && left > 0; i++) {
      if (filter.wants(log, i)) {
        left--;
        StringWriter line = new StringWriter();
        try (JsonGenerator json = factory.createGenerator(ObjectWriteContext.empty(), line)) {
          json.writeStartObject();
          json.writeName("time").writeNumber(log.time(i));
          if (log.pcpu(i) != TraceRecord.NO_PCPU) {
            json.writeName("pcpu").writeNumber(log.pcpu(i));
          }
          json.writeName("event").writeString(log.kind(i).label());
          json.writeName("vcpu").writeString(RecordFields.vcpu(log, i));
          for (Map.Entry<String, Object> field : RecordFields.of(log, i).entrySet()) {
            json.writeName(field.getKey());
            if (field.getValue() instanceof Number number) {
              json.writeNumber(number.longValue());
            } else {
              json.writeString(field.getValue().toString());
            }
          }
          json.writeEndObject();
        }
        out.print(line);
        out.print('\n');
      }
    }
    out.flush();
  }

  private static String pcpu(TraceLog log, int i) {
    return log.pcpu(i) == TraceRecord.NO_PCPU ? "-" : "p" + log.pcpu(i);
  }
}
