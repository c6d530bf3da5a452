package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.TraceSpec;
import dev.domus.toolstack.BadInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes recordings of records that a test gives, through a file as a machine does. */
final class Logs {
  static final long START = 1_000_000;

  /** d1v0, d2v0. */
  static final int ONE = TraceRecord.vcpuKey(1, 0), TWO = TraceRecord.vcpuKey(2, 0);

  static final int IDLE = TraceRecord.vcpuKey(TraceRecord.IDLE, 0);

  private final List<long[]> records = new ArrayList<>();
  private final Map<String, String> labels = new LinkedHashMap<>();

  /** Adds a record; its time is after the beginning. */
  Logs add(long time, TraceEvent kind, int pcpu, int vcpu, int detail, long a, long b) {
    records.add(
        new long[] {
          START + time,
          TraceRecord.head(kind.code(), detail, vcpu >>> 16, vcpu & 0xFFFF, pcpu),
          a,
          b
        });
    return this;
  }

  Logs label(String key, String text) {
    labels.put(key, text);
    return this;
  }

  /** Writes them in two buffers by turns, {@code batch} at a time. */
  void write(Path file, int batchRecords, long lost) throws IOException {
    try (TraceFileWriter writer =
        new TraceFileWriter(file, TraceSpec.everything(), START, 1_700_000_000_000L)) {
      TraceBatch batch = new TraceBatch(batchRecords);
      for (int first = 0; first < records.size(); first += batchRecords) {
        int count = Math.min(batchRecords, records.size() - first);
        for (int i = 0; i < count; i++) {
          System.arraycopy(
              records.get(first + i), 0, batch.words(), i * TraceRecord.WORDS, TraceRecord.WORDS);
        }
        batch.fill(0, first, count, first == 0 ? lost : 0);
        writer.records(batch);
      }
      writer.labels(labels);
      writer.end(0);
    }
  }

  TraceLog log(Path directory) throws IOException, BadInputException {
    Path file = directory.resolve("made.trace");
    write(file, 3, 0);
    return TraceFormat.read(file);
  }

  /**
   * Two vCPUs on two pCPUs: one wakes the other while it makes a hypercall with another one inside,
   * both go to sleep.
   */
  static Logs talk() {
    int other = TraceRecord.NO_PCPU;
    return new Logs()
        .label("domain/1", "ping")
        .label("domain/2", "pong")
        .label("weight/1", "512")
        .label("hypercall/13", "multicall")
        .label("hypercall/32", "event_channel_op")
        .label("hypercall/32/4", "send")
        .add(10, TraceEvent.WAKE, other, ONE, 0, -1, 0)
        .add(20, TraceEvent.ENQUEUE, 0, ONE, 0, 0, 0)
        .add(40, TraceEvent.PICK, 0, ONE, 0, 5_000, 15)
        .add(50, TraceEvent.SWITCH_IN, 0, ONE, 0, 5_000, 0)
        .add(110, TraceEvent.EVENT, 0, TWO, 0, 7, ONE)
        .add(120, TraceEvent.WAKE, 0, TWO, 0, ONE, 0)
        .add(130, TraceEvent.HYPERCALL, 0, ONE, 4, TraceRecord.pair(32, 30), 0)
        .add(130, TraceEvent.HYPERCALL, 0, ONE, 0, TraceRecord.pair(13, 30), 0)
        .add(160, TraceEvent.FAULT, 0, ONE, 14, 0xdead000, 2)
        .add(205, TraceEvent.ENQUEUE, 1, TWO, 0, 0, 0)
        .add(210, TraceEvent.PICK, 1, TWO, 0, 5_000, 4)
        .add(220, TraceEvent.SWITCH_IN, 1, TWO, 0, 5_000, 0)
        .add(300, TraceEvent.SWITCH_OUT, 0, ONE, 3, 240, 2)
        .add(300, TraceEvent.BLOCK, 0, ONE, 2, 0, 0)
        .add(310, TraceEvent.PICK, 0, IDLE, 0, 0, 3)
        .add(900, TraceEvent.SWITCH_OUT, 1, TWO, 0, 600, 1)
        .add(910, TraceEvent.PICK, 1, TWO, 0, 5_000, 4)
        .add(915, TraceEvent.SWITCH_IN, 1, TWO, 0, 5_000, 0)
        .add(1_000, TraceEvent.SWITCH_OUT, 1, TWO, 3, 80, 2)
        .add(1_000, TraceEvent.BLOCK, 1, TWO, 2, 0, 0);
  }
}
