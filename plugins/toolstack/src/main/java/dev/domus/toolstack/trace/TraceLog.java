package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A recorded trace in memory. Its records are in the order of their times, and those of one time in
 * that of the file. Records of kinds that are not known, and so are a later Domus's, are left out.
 */
public final class TraceLog {
  private final long[] words;
  private final int[] order;
  private final long startNanos;
  private final long wallMillis;
  private final long events;
  private final Map<String, String> labels;
  private final Losses losses;

  /**
   * What is not in a trace.
   *
   * @param overwritten records that were overwritten before they were read
   * @param dropped records that were not written because buffers were busy
   * @param complete whether the recording was ended, and not cut off
   */
  public record Losses(long overwritten, long dropped, boolean complete) {}

  TraceLog(
      long[] words,
      long startNanos,
      long wallMillis,
      long events,
      Map<String, String> labels,
      Losses losses) {
    this.words = words;
    this.startNanos = startNanos;
    this.wallMillis = wallMillis;
    this.events = events;
    this.labels = Map.copyOf(labels);
    this.losses = losses;
    order = ByTime.order(words);
  }

  /** How many records there are. */
  public int size() {
    return order.length;
  }

  private long word(int record, int offset) {
    return words[order[record] * TraceRecord.WORDS + offset];
  }

  /** When it was, in nanoseconds since recording began. */
  public long time(int record) {
    return word(record, TraceRecord.TIME) - startNanos;
  }

  /** What it tells of. */
  public TraceEvent kind(int record) {
    return TraceEvent.ofCode(TraceRecord.code(word(record, TraceRecord.HEAD))).orElseThrow();
  }

  /** The pCPU whose thread wrote it, or {@link TraceRecord#NO_PCPU}. */
  public int pcpu(int record) {
    return TraceRecord.pcpu(word(record, TraceRecord.HEAD));
  }

  /** The domain that it is about. */
  public int domid(int record) {
    return TraceRecord.domid(word(record, TraceRecord.HEAD));
  }

  /** The vCPU that it is about, as {@link TraceRecord#vcpuKey}. */
  public int vcpu(int record) {
    return TraceRecord.vcpuOf(word(record, TraceRecord.HEAD));
  }

  /** See {@link TraceEvent}. */
  public int detail(int record) {
    return TraceRecord.detail(word(record, TraceRecord.HEAD));
  }

  /** See {@link TraceEvent}. */
  public long a(int record) {
    return word(record, TraceRecord.A);
  }

  /** See {@link TraceEvent}. */
  public long b(int record) {
    return word(record, TraceRecord.B);
  }

  /** From the beginning of recording to the last record, in nanoseconds. */
  public long durationNanos() {
    return order.length == 0 ? 0 : Math.max(0, time(order.length - 1));
  }

  /** When recording began, in milliseconds since 1970. */
  public long wallMillis() {
    return wallMillis;
  }

  /** The kinds that were recorded. */
  public Set<TraceEvent> events() {
    EnumSet<TraceEvent> recorded = EnumSet.noneOf(TraceEvent.class);
    for (TraceEvent event : TraceEvent.values()) {
      if ((events & event.bit()) != 0) {
        recorded.add(event);
      }
    }
    return recorded;
  }

  /** What is missing. */
  public Losses losses() {
    return losses;
  }

  /** A text that the file has under a key of {@link TraceFile}. */
  Optional<String> label(String key) {
    return Optional.ofNullable(labels.get(key));
  }

  /** A vCPU as users see it, such as {@code d1v0}. */
  public static String vcpuLabel(int vcpu) {
    return "d" + (vcpu >>> 16) + "v" + (vcpu & 0xFFFF);
  }

  /** A domain as users see it: its name where it is known, else its number. */
  public String domainLabel(int domid) {
    return label("domain/" + domid).orElse("d" + domid);
  }

  /** A hypercall as users see it, with its command if that has a name. */
  public String hypercallLabel(int number, int command) {
    String name = label("hypercall/" + number).orElse("hypercall " + number);
    return label("hypercall/" + number + "/" + command)
        .map(subop -> name + "/" + subop)
        .orElse(command == 0 ? name : name + "/" + command);
  }

  /** A name that a record speaks of by number. */
  public String name(int number) {
    return label("name/" + number).orElse("?");
  }
}
