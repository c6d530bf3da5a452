package dev.domus.kernel.mmu;

import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.MachineToPhys;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** A small machine with domains whose vCPUs are mere TLBs. */
final class TestMachine implements AutoCloseable {
  static final int FRAMES = 1024;
  static final long LEAF = Pte.P | Pte.U | Pte.A | Pte.GUEST_KERNEL;
  static final long TABLE = Pte.P | Pte.W | Pte.U | Pte.A;

  private final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
  final FrameTable frames = new FrameTable(FRAMES);
  final MachineToPhys m2p = new MachineToPhys(memory, frames, 1);
  final FrameAllocator allocator = new FrameAllocator(memory, frames, m2p.endFrame());
  final CodeFrames codeFrames = new CodeFrames(FRAMES);
  final MachineFrames machine = new MachineFrames(memory, frames, m2p, allocator, codeFrames);
  final MemorySegment segment = memory.segment();
  final List<TestDomain> domains = new ArrayList<>();

  MachineMemory memory() {
    return memory;
  }

  TestDomain domain(int domid, long maxPages) {
    TestDomain domain = new TestDomain(this, domid, maxPages);
    domains.add(domain);
    return domain;
  }

  long entry(long mfn, int index) {
    return segment.get(ValueLayout.JAVA_LONG, (mfn << 12) + 8L * index);
  }

  /**
   * Stores as a guest would through a writable mapping; the caller has made sure that it could have
   * one.
   */
  void poke(long mfn, int index, long value) {
    segment.set(ValueLayout.JAVA_LONG, (mfn << 12) + 8L * index, value);
  }

  @Override
  public void close() {
    frames.close();
    memory.close();
  }
}
