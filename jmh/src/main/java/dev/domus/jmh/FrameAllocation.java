package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Allocating and freeing one frame, by one thread and by two, together with what cannot be spared:
 * three compare-and-sets on lines of the thread's own ({@link #floorOfLocks}), and for a frame that
 * nobody scrubbed the zeroing of 4 KiB ({@link #floorOfZeroing}). Two threads scale well if {@link
 * #allocateFreeOfTwo} takes as long as {@link #allocateFree}. Run with {@code -prof gc}: nothing
 * may be allocated.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class FrameAllocation {
  private static final int FRAMES = 1 << 16;
  private static final int BATCH = 32;

  private MachineMemory memory;
  private FrameTable frames;
  private FrameAllocator allocator;

  /** A machine of 256 MiB. */
  @Setup
  public void reserve() {
    memory = MachineMemory.reserve((long) FRAMES << MachineMemory.FRAME_SHIFT);
    frames = new FrameTable(FRAMES);
    allocator = new FrameAllocator(memory, frames, 1);
    sanity();
  }

  /** That frames come zeroed, are counted, and go back. */
  private void sanity() {
    for (int i = 0; i < 2; i++) {
      long mfn = allocator.allocate(0);
      MemorySegment frame = memory.segment().asSlice(mfn << MachineMemory.FRAME_SHIFT, 4096);
      boolean zero = frame.mismatch(MemorySegment.ofArray(new byte[4096])) == -1;
      boolean counted = allocator.freeFrames() == allocator.managedFrames() - 1;
      frame.fill((byte) 1);
      allocator.free(mfn, 0);
      if (!zero || !counted || allocator.freeFrames() != allocator.managedFrames()) {
        throw new IllegalStateException("the allocator does not work");
      }
    }
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    frames.close();
    memory.close();
  }

  /** A thread's own words, far from anybody else's. */
  @State(Scope.Thread)
  public static class Own {
    private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(int[].class);

    final int[] cells = new int[128];
    final long[] held = new long[BATCH];

    boolean cas() {
      int now = cells[64];
      return CELL.compareAndSet(cells, 64, now, now + 1);
    }
  }

  /** All free frames are zeroed before the measurement, which nobody measures. */
  @State(Scope.Thread)
  public static class Scrubbed {
    /** What an idle pCPU would have done. */
    @Setup(Level.Invocation)
    public void scrub(FrameAllocation machine) {
      machine.allocator.scrub(4 * BATCH);
    }
  }

  /** The baseline of locking: two to enter a cache, one to free. */
  @Benchmark
  public boolean floorOfLocks(Own own) {
    return own.cas() & own.cas() & own.cas();
  }

  /** The baseline of zeroing. */
  @Benchmark
  public void floorOfZeroing() {
    memory.scrub(1);
  }

  /** The same by a fill: why zeroing is a copy. */
  @Benchmark
  public void zeroingByFill() {
    memory.segment().asSlice(1L << MachineMemory.FRAME_SHIFT, 4096).fill((byte) 0);
  }

  /** One frame to and fro; it is dirty each time. */
  @Benchmark
  @MappingPath(
      value = "frame-allocation",
      what = "a frame is allocated, zeroed, and freed; threads share one allocator",
      floor = "floorOfZeroing",
      threads = {1, 2})
  public void allocateFree() {
    allocator.free(allocator.allocate(0), 0);
  }

  /** The same by two threads at once. */
  @Benchmark
  @Threads(2)
  public void allocateFreeOfTwo() {
    allocator.free(allocator.allocate(0), 0);
  }

  /** The same where a scrubber had the time to be first. */
  @Benchmark
  @MappingPath(
      value = "frame-allocation",
      what = "a frame that was zeroed before is allocated and freed",
      floor = "floorOfLocks")
  @OperationsPerInvocation(BATCH)
  public void allocateFreeScrubbed(Own own, Scrubbed scrubbed) {
    long[] held = own.held;
    for (int i = 0; i < BATCH; i++) {
      held[i] = allocator.allocate(0);
    }
    for (int i = 0; i < BATCH; i++) {
      allocator.free(held[i], 0);
    }
  }
}
