package dev.domus.jmh;

import dev.domus.memory.CodeFrames;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.Window;
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
 * Windows on one frame: opened, read once, closed. The baselines: the raw access, a slice of the
 * segment with one access, and the two atomic additions that an access to a revocable window needs.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class WindowLife {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final Runnable NOTHING = () -> {};
  private static final long MFN = 5;

  private MachineMemory machine;
  private MemorySegment memory;
  private CodeFrames code;
  private Window open;

  /** A machine of 64 frames. */
  @Setup
  public void reserve() {
    machine = MachineMemory.reserve(64L << 12);
    memory = machine.segment();
    code = new CodeFrames(64);
    open = Window.of(memory, code, true, NOTHING, MFN);
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    open.close();
    machine.close();
  }

  /** The baseline: a load. */
  @Benchmark
  public long rawAccess() {
    return memory.get(ValueLayout.JAVA_LONG, (MFN << 12) + 8);
  }

  /** The baseline of revocability. */
  @Benchmark
  public long twoAtomicAdditions() {
    return (long) LONG.getAndAdd(memory, MFN << 12, 1L)
        + (long) LONG.getAndAdd(memory, MFN << 12, -1L);
  }

  /** A slice and a load. */
  @Benchmark
  public long slice() {
    return memory.asSlice(MFN << 12, 4096).get(ValueLayout.JAVA_LONG, 8);
  }

  /** A load through a window that is open. */
  @Benchmark
  public long access() {
    return open.getLong(8);
  }

  /** A window's whole life with no access. */
  @Benchmark
  public long openClose() {
    Window window = Window.of(memory, code, true, NOTHING, MFN);
    window.close();
    return window.size();
  }

  /** A window's whole life with one. */
  @Benchmark
  public long openReadClose() {
    Window window = Window.of(memory, code, true, NOTHING, MFN);
    long value = window.getLong(8);
    window.close();
    return value;
  }
}
