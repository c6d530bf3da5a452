package dev.domus.jmh;

import dev.domus.bench.MappingPath;
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
 * Windows: opened, accessed, closed. The baselines: the raw access, a slice of the segment with one
 * access, and the two atomic additions that an access to a revocable window costs if every access
 * counts itself. Run with {@code -prof gc}: nothing here allocates. {@code -jvmArgsAppend
 * -Ddomus.symmetricFences=true} shows what hosts without {@code membarrier} pay.
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
  private static final long EXPECTED = 0x1234_5678_9ABC_DEFL;

  private MachineMemory machine;
  private MemorySegment memory;
  private CodeFrames code;
  private Window open;
  private Window contiguous;
  private Window scattered;
  private Window anothers;
  private long reads;

  /** A machine of 64 frames. */
  @Setup
  public void reserve() {
    machine = MachineMemory.reserve(64L << 12);
    memory = machine.segment();
    code = new CodeFrames(64);
    memory.set(ValueLayout.JAVA_LONG, (MFN << 12) + 8, EXPECTED);
    open = Window.of(memory, code, true, NOTHING, MFN);
    contiguous = Window.of(memory, code, true, NOTHING, MFN, MFN + 1);
    scattered = Window.of(memory, code, true, NOTHING, MFN, MFN + 2);
    anothers = openedElsewhere();
    sanity();
  }

  private Window openedElsewhere() {
    Window[] opened = new Window[1];
    Thread opener = new Thread(() -> opened[0] = Window.of(memory, code, true, NOTHING, MFN));
    opener.start();
    try {
      opener.join();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    return opened[0];
  }

  /** That what is measured does what it says. */
  private void sanity() {
    boolean works =
        access() == EXPECTED
            && accessContiguous() == EXPECTED
            && accessScattered() == EXPECTED
            && accessAnothers() == EXPECTED
            && openReadClose() == EXPECTED
            && rawAccess() == EXPECTED;
    Window closed = Window.of(memory, code, true, NOTHING, MFN);
    closed.close();
    if (!works || closed.alive() || !closed.awaitReleased(0)) {
      throw new IllegalStateException("windows do not work");
    }
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    open.close();
    contiguous.close();
    scattered.close();
    anothers.close();
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
  @MappingPath(
      value = "window",
      what = "a load through a window that is open",
      floor = "rawAccess",
      threads = {1, 2})
  public long access() {
    return open.getLong(8);
  }

  /** The same, of two frames in a row. */
  @Benchmark
  public long accessContiguous() {
    return contiguous.getLong(8);
  }

  /** The same, of two frames that are not. */
  @Benchmark
  @MappingPath(
      value = "window",
      what = "a load through an open window of two frames that do not lie in a row",
      floor = "rawAccess")
  public long accessScattered() {
    return scattered.getLong(8);
  }

  /** The same, in a window that another thread opened. */
  @Benchmark
  public long accessAnothers() {
    return anothers.getLong(8);
  }

  /** The baseline of a store. */
  @Benchmark
  public void rawStore() {
    memory.set(ValueLayout.JAVA_LONG, (MFN << 12) + 16, reads++);
  }

  /** A store through a window that is open. */
  @Benchmark
  @MappingPath(value = "window", what = "a store through a window that is open", floor = "rawStore")
  public void store() {
    open.putLong(16, reads++);
  }

  /** A life with a second user and a revocation. The opener is last to close, so nobody fences. */
  @Benchmark
  @MappingPath(
      value = "window",
      what = "a window gets a second user, is revoked and let go by both",
      floor = "twoAtomicAdditions")
  public long openShareRevokeClose() {
    Window window = Window.of(memory, code, true, NOTHING, MFN);
    window.share();
    window.revoke();
    window.close();
    window.close();
    return window.size();
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
  @MappingPath(
      value = "window",
      what = "a window is opened, read through once, and closed",
      floor = "rawAccess",
      threads = {1, 2})
  public long openReadClose() {
    Window window = Window.of(memory, code, true, NOTHING, MFN);
    long value = window.getLong(8);
    window.close();
    return value;
  }
}
