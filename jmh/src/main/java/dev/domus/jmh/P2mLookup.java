package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.memory.p2m.P2mEntry;
import dev.domus.memory.p2m.P2mExtents;
import dev.domus.memory.p2m.P2mType;
import dev.domus.memory.p2m.RadixP2m;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Lookups of random guest frames in a radix P2M, by page size. The baselines: the same random
 * numbers into one flat {@code long[]} and one flat segment ({@link #flatArray}, {@link
 * #flatSegment}), which no sparse map can beat, and the same three levels as tables in a segment
 * ({@link #walkInSegment}), which is what the map would be off-heap, without its reclamation.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class P2mLookup {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final int PAGES = 1 << 15; // 128 MiB in 64 leaves
  private static final long GIGA = 1L << P2mEntry.ORDER_1G;

  private final long[] flat = new long[PAGES];
  private RadixP2m map;
  private Arena arena;
  private MemorySegment flatSegment;
  private MemorySegment tables;
  private long random = 1;

  /** Frames are out of order in the first GiB, in order in the second, aligned in the third. */
  @Setup
  public void fill() {
    map = new RadixP2m(3 * GIGA);
    arena = Arena.ofShared();
    flatSegment = arena.allocate(8L * PAGES, 4096);
    tables = arena.allocate(4096L * (2 + PAGES / 512), 4096);
    tables.set(ValueLayout.JAVA_LONG, 0, 4096);
    for (int gfn = 0; gfn < PAGES; gfn++) {
      long mfn = gfn ^ 1;
      map.set(gfn, mfn, P2mType.RAM_RW);
      flat[gfn] = mfn << 12 | 1;
      flatSegment.setAtIndex(ValueLayout.JAVA_LONG, gfn, mfn << 12 | 1);
      long leaf = 4096L * (2 + gfn / 512);
      tables.set(ValueLayout.JAVA_LONG, 4096 + 8L * (gfn / 512), leaf);
      tables.set(ValueLayout.JAVA_LONG, leaf + 8L * (gfn % 512), mfn << 12 | 1);
    }
    map.map(GIGA, GIGA, 512, P2mType.RAM_RW, P2mExtents.NOBODY);
    map.map(2 * GIGA, GIGA, GIGA, P2mType.RAM_RW, P2mExtents.NOBODY);
    sanity();
  }

  /** That all lookups find the same frames. */
  private void sanity() {
    for (int gfn = 0; gfn < PAGES; gfn++) {
      long mfn = gfn ^ 1;
      boolean found =
          P2mEntry.mfn(map.lookup(gfn)) == mfn
              && P2mEntry.mfn(map.lookup(GIGA + gfn)) == 512 + gfn
              && P2mEntry.mfn(map.lookup(2 * GIGA + gfn)) == GIGA + gfn;
      if (!found) {
        throw new IllegalStateException("wrong frame: gfn=" + gfn);
      }
    }
    if (walkInSegment() >>> 12 >= PAGES || flatArray() == 0 || flatSegment() == 0) {
      throw new IllegalStateException("the baselines are wrong");
    }
  }

  /** Gives the segments back. */
  @TearDown
  public void free() {
    arena.close();
  }

  private int next() {
    long r = random * 6364136223846793005L + 1442695040888963407L;
    random = r;
    return (int) (r >>> 49);
  }

  /** The baseline of the random numbers alone. */
  @Benchmark
  public int randomAlone() {
    return next();
  }

  /** One load from an array. */
  @Benchmark
  public long flatArray() {
    return flat[next()];
  }

  /** One load from a segment. */
  @Benchmark
  public long flatSegment() {
    return (long) LONG.getAcquire(flatSegment, 8L * next());
  }

  /** Three levels in a segment. */
  @Benchmark
  public long walkInSegment() {
    long gfn = next();
    MemorySegment t = tables;
    long middle = (long) LONG.getAcquire(t, 8 * (gfn >>> 18));
    long leaf = (long) LONG.getAcquire(t, middle + 8 * (gfn >>> 9 & 511));
    return (long) LONG.getAcquire(t, leaf + 8 * (gfn & 511));
  }

  /** A 4 KiB entry. */
  @Benchmark
  @MappingPath(
      value = "p2m-lookup",
      what = "a random guest frame in an entry of 4 KiB is looked up",
      floor = "flatSegment")
  public long page4k() {
    return map.lookup(next());
  }

  /** A 2 MiB entry. */
  @Benchmark
  @MappingPath(
      value = "p2m-lookup",
      what = "a random guest frame in an entry of 2 MiB is looked up",
      floor = "flatSegment")
  public long page2m() {
    return map.lookup(GIGA + ((long) next() << 3));
  }

  /** A 1 GiB entry. */
  @Benchmark
  @MappingPath(
      value = "p2m-lookup",
      what = "a random guest frame in an entry of 1 GiB is looked up",
      floor = "flatSegment")
  public long page1g() {
    return map.lookup(2 * GIGA + ((long) next() << 3));
  }
}
