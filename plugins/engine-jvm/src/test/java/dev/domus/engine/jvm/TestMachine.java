package dev.domus.engine.jvm;

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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A machine of a few frames with page tables that a test fills, and vCPUs on it.
 *
 * <p>It keeps the kernel's side of the engine's contract: but for a kick, an engine is called only
 * by the thread that runs its vCPU. So whoever wants another vCPU's translations dropped asks for
 * it, kicks, and waits until that vCPU has done so or has come out of its guest; vCPUs that run on
 * threads of their own do so by {@link TestVcpu#run}.
 */
final class TestMachine implements EngineMachine {
  static final long WRITABLE = Pte.P | Pte.W | Pte.U;
  static final long READ_ONLY = Pte.P | Pte.U;

  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final long frames;
  private long nextFrame = 1;
  final long cr3;
  final List<TestVcpu> vcpus = new ArrayList<>();

  /** Guards {@link TestVcpu#running} and {@link TestVcpu#flushWanted} of all vCPUs. */
  private final Object rendezvous = new Object();

  TestMachine(int frames) {
    this.frames = frames;
    this.memory = Arena.ofAuto().allocate(frames * 4096L, 4096);
    this.codeFrames = new CodeFrames(frames);
    this.cr3 = frame() << 12;
  }

  @Override
  public MemorySegment memory() {
    return memory;
  }

  @Override
  public long frames() {
    return frames;
  }

  @Override
  public CodeFrames codeFrames() {
    return codeFrames;
  }

  @Override
  public long tscHz() {
    return 1_000_000_000L;
  }

  /** A frame that nobody has yet. */
  long frame() {
    return nextFrame++;
  }

  /** Maps fresh frames. */
  void map(long va, int pages, long flags) {
    for (int n = 0; n < pages; n++) {
      mapFrame(cr3, va + n * 4096L, frame(), flags);
    }
  }

  void mapFrame(long root, long va, long mfn, long flags) {
    set(entryAddress(root, va), mfn << 12 | flags);
  }

  /** Machine address of the L1 entry of an address; makes the tables on the way. */
  long entryAddress(long root, long va) {
    long table = root;
    for (int level = 4; level > 1; level--) {
      long at = table + 8L * Pte.index(va, level);
      if ((get(at) & Pte.P) == 0) {
        set(at, frame() << 12 | WRITABLE);
      }
      table = get(at) & Pte.ADDRESS_MASK;
    }
    return table + 8L * Pte.index(va, 1);
  }

  long machineAddress(long va) {
    return get(entryAddress(cr3, va)) & Pte.ADDRESS_MASK | va & 4095;
  }

  long get(long ma) {
    return memory.get(ValueLayout.JAVA_LONG_UNALIGNED, ma);
  }

  void set(long ma, long value) {
    memory.set(ValueLayout.JAVA_LONG_UNALIGNED, ma, value);
  }

  void write(long va, byte... bytes) {
    for (int n = 0; n < bytes.length; n++) {
      long ma = machineAddress(va + n);
      memory.set(ValueLayout.JAVA_BYTE, ma, bytes[n]);
      codeFrames.written(ma >>> 12);
    }
  }

  void code(long va, int... bytes) {
    byte[] b = new byte[bytes.length];
    for (int n = 0; n < b.length; n++) {
      b[n] = (byte) bytes[n];
    }
    write(va, b);
  }

  byte[] read(long va, int bytes) {
    byte[] b = new byte[bytes];
    for (int n = 0; n < bytes; n++) {
      b[n] = memory.get(ValueLayout.JAVA_BYTE, machineAddress(va + n));
    }
    return b;
  }

  long readLong(long va) {
    long value = 0;
    for (int n = 7; n >= 0; n--) {
      value = value << 8 | memory.get(ValueLayout.JAVA_BYTE, machineAddress(va + n)) & 0xFF;
    }
    return value;
  }

  TestVcpu vcpu() {
    TestVcpu vcpu = new TestVcpu();
    vcpus.add(vcpu);
    return vcpu;
  }

  /** A vCPU with flat 64-bit segments, and its engine. */
  final class TestVcpu implements EngineVcpu {
    final CpuState state = new CpuState();
    final Map<Integer, Long> descriptors = new HashMap<>();
    final VcpuEngine engine;
    int watches;

    /** Whether a thread is inside {@link #run}: then nobody else may call the engine. */
    private boolean running;

    /** Set for a running vCPU, by another that waits until it is taken back. */
    private boolean flushWanted;

    /** What the vCPU finds beyond RAM. */
    final Devices io = new Devices();

    /** What else happens while the kernel makes the others forget their translations. */
    Runnable meanwhile = () -> {};

    private TestVcpu() {
      state.cr3 = cr3;
      state.cs = 0xE033;
      state.ss = 0xE02B;
      descriptors.put(0xE033, 0x00AFFB000000FFFFL);
      descriptors.put(0xE02B, 0x00CFF3000000FFFFL);
      engine = new JvmEngine().attach(TestMachine.this, this);
    }

    @Override
    public IoMemory io() {
      return io;
    }

    @Override
    public CpuState state() {
      return state;
    }

    @Override
    public String label() {
      return "test";
    }

    @Override
    public long descriptor(int selector) {
      return descriptors.getOrDefault(selector | 3, 0L);
    }

    @Override
    public void cpuid(int leaf, int subleaf) {
      state.gpr[CpuState.RAX] = leaf;
      state.gpr[CpuState.RBX] = 0x68747541;
      state.gpr[CpuState.RCX] = 0x444D4163;
      state.gpr[CpuState.RDX] = subleaf;
    }

    @Override
    public long tsc() {
      return 0x1122334455667788L;
    }

    /**
     * Runs the vCPU on the caller's thread, beside others on theirs, until it comes out for a
     * reason of its own.
     */
    Exit run() {
      Exit exit;
      do {
        enter();
        try {
          exit = engine.run(100_000);
        } finally {
          leave();
        }
      } while (exit == Exit.BUDGET || exit == Exit.KICKED);
      return exit;
    }

    private void enter() {
      synchronized (rendezvous) {
        running = true;
      }
    }

    private void leave() {
      synchronized (rendezvous) {
        running = false;
        flushIfWanted();
      }
    }

    private void flushIfWanted() {
      if (flushWanted) {
        engine.invalidate(Invalidation.ALL);
        flushWanted = false;
        rendezvous.notifyAll();
      }
    }

    @Override
    public void codeWatched(long mfn) {
      watches++;
      meanwhile.run();
      synchronized (rendezvous) {
        for (TestVcpu other : vcpus) {
          if (other != this) {
            if (other.running) {
              other.flushWanted = true;
              other.engine.kick();
            } else {
              other.engine.invalidate(Invalidation.ALL);
            }
          }
        }
        while (vcpus.stream().anyMatch(other -> other != this && other.flushWanted)) {
          flushIfWanted(); // two that ask one another
          rendezvousWait();
        }
      }
    }

    private void rendezvousWait() {
      try {
        rendezvous.wait();
      } catch (InterruptedException e) {
        throw new IllegalStateException("interrupted while others drop their translations", e);
      }
    }
  }

  /**
   * A device wherever a test says that something can be reached: it writes down what it is asked.
   */
  static final class Devices implements IoMemory {
    final List<String> log = new ArrayList<>();
    boolean reachable;

    /** What it is read as. */
    long value;

    @Override
    public boolean isReachable(long ma) {
      return reachable;
    }

    @Override
    public long load(long ma, int size) {
      log.add("load %x %d".formatted(ma, size));
      return value & -1L >>> 64 - 8 * size;
    }

    @Override
    public void store(long ma, int size, long stored) {
      log.add("store %x %d %x".formatted(ma, size, stored & -1L >>> 64 - 8 * size));
    }
  }
}
