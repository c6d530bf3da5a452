package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.engine.jvm.JvmEngine;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.engine.IoMemory;
import dev.domus.kernel.engine.VcpuEngine;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What invalidations cost the guest that goes on after them: one of {@code engine-jvm}'s vCPUs goes
 * through {@value #CODE_PAGES} pages of code that read a word from each of {@value #DATA_PAGES}
 * pages, having been told to forget something before. {@link #nothing} is the floor.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class TlbInvalidation {
  private static final int CODE_PAGES = 16,
      DATA_PAGES = 256,
      READS_A_PAGE = DATA_PAGES / CODE_PAGES;
  private static final int FRAMES = 1024;
  private static final long CODE = 0x40_0000, DATA = 0x80_0000, OTHER_SPACE = 0x3FF000;
  private static final long FLAGS = Pte.P | Pte.W | Pte.U;

  private Arena arena;
  private MemorySegment memory;
  private long nextFrame = 1;
  private CpuState state;
  private VcpuEngine engine;

  /** Builds tables and code, and runs it once. */
  @Setup(Level.Trial)
  public void build() {
    arena = Arena.ofShared();
    memory = arena.allocate(FRAMES * 4096L, 4096);
    state = new CpuState();
    state.cr3 = nextFrame++ << 12;
    state.cs = 0xE033;
    state.ss = 0xE02B;
    engine = new JvmEngine().attach(new Machine(memory), new BareVcpu(state));
    for (int n = 0; n < DATA_PAGES; n++) {
      map(DATA + ((long) n << 12));
    }
    for (int n = 0; n < CODE_PAGES; n++) {
      long at = map(CODE + ((long) n << 12));
      for (int i = 0; i < READS_A_PAGE; i++) {
        at =
            put(
                at, 0x48, 0x8B, 0x03, 0x48, 0x81, 0xC3, 0, 0x10, 0,
                0); // mov rax, [rbx]; add rbx, 4096
      }
      int jump = 4096 - (int) (at & 4095) - 5;
      boolean last = n == CODE_PAGES - 1;
      put(at, last ? new int[] {0x0F, 0x05} : new int[] {0xE9, jump & 0xFF, jump >> 8, 0, 0});
    }
    nothing();
  }

  /** Takes the machine down. */
  @TearDown(Level.Trial)
  public void close() {
    engine.close();
    arena.close();
  }

  private long map(long va) {
    long table = state.cr3;
    for (int level = 4; level > 1; level--) {
      long at = table + 8L * Pte.index(va, level);
      if (memory.get(ValueLayout.JAVA_LONG, at) == 0) {
        memory.set(ValueLayout.JAVA_LONG, at, nextFrame++ << 12 | FLAGS);
      }
      table = memory.get(ValueLayout.JAVA_LONG, at) & Pte.ADDRESS_MASK;
    }
    long frame = nextFrame++ << 12;
    memory.set(ValueLayout.JAVA_LONG, table + 8L * Pte.index(va, 1), frame | FLAGS);
    return frame;
  }

  private long put(long ma, int... bytes) {
    for (int n = 0; n < bytes.length; n++) {
      memory.set(ValueLayout.JAVA_BYTE, ma + n, (byte) bytes[n]);
    }
    return ma + bytes.length;
  }

  private long run() {
    state.rip = CODE;
    state.gpr[CpuState.RBX] = DATA;
    if (engine.run(100_000) != Exit.SYSCALL) {
      throw new IllegalStateException("vector=" + state.exitVector + " rip=" + state.rip);
    }
    return state.retired;
  }

  /** Nothing was forgotten. */
  @Benchmark
  public long nothing() {
    return run();
  }

  /** One page of data, as by INVLPG. */
  @Benchmark
  @MappingPath(
      value = "software-tlb",
      what = "one page of data is forgotten, then 256 pages of data are read by 16 pages of code",
      floor = "nothing")
  public long page() {
    engine.invalidate(Invalidation.page(DATA));
    return run();
  }

  /** One page of code. */
  @Benchmark
  @MappingPath(
      value = "software-tlb",
      what = "one page of code is forgotten, then 256 pages of data are read by 16 pages of code",
      floor = "nothing")
  public long codePage() {
    engine.invalidate(Invalidation.page(CODE));
    return run();
  }

  /** Sixteen pages of data. */
  @Benchmark
  @MappingPath(
      value = "software-tlb",
      what = "sixteen pages are forgotten, then 256 pages of data are read by 16 pages of code",
      floor = "nothing")
  public long range() {
    engine.invalidate(Invalidation.range(DATA, 16 << 12));
    return run();
  }

  /** Another address space than the one it is in. */
  @Benchmark
  @MappingPath(
      value = "software-tlb",
      what =
          "another address space is forgotten, then 256 pages of data are read by 16 pages of code",
      floor = "nothing")
  public long otherSpace() {
    engine.invalidate(Invalidation.addressSpace(OTHER_SPACE));
    return run();
  }

  /** Everything, as by a flush of the TLB. */
  @Benchmark
  @MappingPath(
      value = "software-tlb",
      what = "everything is forgotten, then 256 pages of data are read by 16 pages of code",
      floor = "nothing")
  public long all() {
    engine.invalidate(Invalidation.ALL);
    return run();
  }

  private record Machine(MemorySegment memory, CodeFrames codeFrames) implements EngineMachine {
    Machine(MemorySegment memory) {
      this(memory, new CodeFrames(FRAMES));
    }

    @Override
    public long frames() {
      return FRAMES;
    }

    @Override
    public long tscHz() {
      return 1_000_000_000L;
    }
  }

  /** A vCPU whose guest does nothing that the kernel would hear of. */
  private record BareVcpu(CpuState state) implements EngineVcpu, IoMemory {
    @Override
    public IoMemory io() {
      return this;
    }

    @Override
    public String label() {
      return "bare";
    }

    @Override
    public long descriptor(int selector) {
      return (selector & 8) == 0 ? 0x00AFFB000000FFFFL : 0x00CFF3000000FFFFL;
    }

    @Override
    public void cpuid(int leaf, int subleaf) {}

    @Override
    public long tsc() {
      return 0;
    }

    @Override
    public void codeWatched(long mfn) {}

    @Override
    public boolean isReachable(long ma) {
      return false;
    }

    @Override
    public long load(long ma, int size) {
      return -1;
    }

    @Override
    public void store(long ma, int size, long value) {}
  }
}
