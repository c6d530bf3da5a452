package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
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
 * A page walk that finds everything present and accessed, over 64 MiB in random order. The baseline
 * is the same four loads, one dependent on the other, with nothing checked.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class PageWalks {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final int PAGES = 1 << 14;
  private static final long FLAGS = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
  private static final long ROOT = 1L << 12;

  private MachineMemory machine;
  private MemorySegment memory;
  private long random = 1;

  /** L4 in frame 1, L3 in 2, L2 in 3, the L1s from 4 on. */
  @Setup
  public void build() {
    machine = MachineMemory.reserve(1L << 27);
    memory = machine.segment();
    set(1, 0, 2);
    set(2, 0, 3);
    for (int table = 0; table < PAGES / 512; table++) {
      set(3, table, 4 + table);
      for (int i = 0; i < 512; i++) {
        set(4 + table, i, 100 + table * 512L + i);
      }
    }
  }

  private void set(long table, int index, long mfn) {
    memory.set(ValueLayout.JAVA_LONG, (table << 12) + 8L * index, Pte.of(mfn, FLAGS));
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    machine.close();
  }

  private long next() {
    long r = random * 6364136223846793005L + 1442695040888963407L;
    random = r;
    return (r >>> 50) << 12;
  }

  /** The baseline. */
  @Benchmark
  public long fourLoads() {
    long va = next();
    long entry = ROOT;
    for (int level = 4; level > 0; level--) {
      entry =
          (long) LONG.getAcquire(memory, (entry & Pte.ADDRESS_MASK) + 8L * Pte.index(va, level));
    }
    return entry;
  }

  /** A walk for a write by user code. */
  @Benchmark
  @MappingPath(
      value = "page-walk",
      what = "a walk of four levels for a write of user code, all present",
      floor = "fourLoads")
  public long hit() {
    return PageWalk.walk(memory, ROOT, next(), PageWalk.WRITE | PageWalk.USER);
  }
}
