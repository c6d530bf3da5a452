package dev.domus.kernel.mmu;

import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.MachineToPhys;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The page tables through which every guest reads the M2P at 0xFFFF800000000000: one L3 and what is
 * below, built once from the hypervisor's own frames and entered in slot 256 of each guest's L4
 * (xen-pv-abi.md, section 1).
 *
 * <p>Every level is present, user and accessed, and not writable, so no guest can write the table
 * or its page tables, and no walk ever has to store into them. Only frames that exist have an
 * entry; beyond them reads fault, as guests expect. The frames belong to the hypervisor, so no
 * guest can refer to them in a table of its own.
 */
final class M2pMap {
  private static final long READ_ONLY = Pte.P | Pte.U | Pte.A | Pte.NX;

  private final long slotEntry;

  /**
   * Builds the tables. Fails with an exception: a machine without room for them has no room for
   * anything.
   */
  M2pMap(MemorySegment memory, FrameTable frames, FrameAllocator allocator, MachineToPhys m2p) {
    long l3 = table(frames, allocator);
    slotEntry = Pte.of(l3, READ_ONLY);
    long l2 = 0;
    long l1 = 0;
    for (long page = 0; page < m2p.endFrame() - m2p.firstFrame(); page++) {
      if ((page & 0x3FFFF) == 0) {
        l2 = table(frames, allocator);
        set(memory, l3, (int) (page >>> 18), Pte.of(l2, READ_ONLY));
      }
      if ((page & 511) == 0) {
        l1 = table(frames, allocator);
        set(memory, l2, (int) (page >>> 9) & 511, Pte.of(l1, READ_ONLY));
      }
      set(memory, l1, (int) page & 511, Pte.of(m2p.firstFrame() + page, READ_ONLY));
    }
  }

  /** What stands in slot 256 of every L4 table in use. */
  long slotEntry() {
    return slotEntry;
  }

  private static long table(FrameTable frames, FrameAllocator allocator) {
    long mfn = allocator.allocate(0);
    if (mfn == FrameAllocator.OUT_OF_MEMORY) {
      throw new IllegalStateException("the machine is too small to map its own M2P");
    }
    frames.assign(mfn, FrameTable.HYPERVISOR);
    return mfn;
  }

  private static void set(MemorySegment memory, long table, int index, long entry) {
    memory.set(ValueLayout.JAVA_LONG, (table << MachineMemory.FRAME_SHIFT) + 8L * index, entry);
  }
}
