package dev.domus.kernel.trace;

import java.util.EnumSet;
import java.util.Set;

/**
 * What is to be recorded.
 *
 * @param events the kinds of records
 * @param recordsPerBuffer how many records each buffer keeps, rounded up to a power of two; {@value
 *     #LEAST_RECORDS} to {@value #MOST_RECORDS}. A pCPU has one buffer, all other threads together
 *     a few
 * @param flightRecorder whether each record is also an event of the JVM's flight recorder, of the
 *     names {@code dev.domus.*}, on the thread and at the time where it happens
 */
public record TraceSpec(Set<TraceEvent> events, int recordsPerBuffer, boolean flightRecorder) {
  /** Fewest and most records of a buffer. */
  public static final int LEAST_RECORDS = 16, MOST_RECORDS = 1 << 24;

  /** Enough for a tenth of a second of a guest that does nothing but make hypercalls: 2 MiB. */
  public static final int USUAL_RECORDS = 1 << 16;

  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if there are no events or the size is out of range
   */
  public TraceSpec {
    if (events.isEmpty()) {
      throw new IllegalArgumentException("nothing to trace: events=" + events);
    }
    if (recordsPerBuffer < LEAST_RECORDS || recordsPerBuffer > MOST_RECORDS) {
      throw new IllegalArgumentException(
          "size of trace buffers: recordsPerBuffer=%d, should be %d to %d"
              .formatted(recordsPerBuffer, LEAST_RECORDS, MOST_RECORDS));
    }
    events = Set.copyOf(events);
  }

  /** Everything, in buffers of the usual size. */
  public static TraceSpec everything() {
    return new TraceSpec(EnumSet.allOf(TraceEvent.class), USUAL_RECORDS, false);
  }
}
