package dev.domus.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The floor under every path to guest memory: one 4 KiB frame read as longs, from the heap and from
 * an off-heap segment. Other benchmarks of memory paths are judged by their ratio to {@link #heap}.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class SegmentAccess {
  private static final int LONGS = 512;

  private final long[] heap = new long[LONGS];
  private Arena arena;
  private MemorySegment segment;

  /** Puts the same values on both sides. */
  @Setup
  public void fill() {
    arena = Arena.ofShared();
    segment = arena.allocate(LONGS * Long.BYTES, 4096);
    for (int i = 0; i < LONGS; i++) {
      heap[i] = i;
      segment.setAtIndex(ValueLayout.JAVA_LONG, i, i);
    }
  }

  /** Gives the segment back. */
  @TearDown
  public void free() {
    arena.close();
  }

  /** The baseline: a {@code long[]}. */
  @Benchmark
  @OperationsPerInvocation(LONGS)
  public long heap() {
    long sum = 0;
    for (int i = 0; i < LONGS; i++) {
      sum += heap[i];
    }
    return sum;
  }

  /** The same through a shared segment held in a field. */
  @Benchmark
  @OperationsPerInvocation(LONGS)
  public long segment() {
    MemorySegment from = segment;
    long sum = 0;
    for (int i = 0; i < LONGS; i++) {
      sum += from.getAtIndex(ValueLayout.JAVA_LONG, i);
    }
    return sum;
  }
}
