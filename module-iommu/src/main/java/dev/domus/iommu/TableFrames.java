package dev.domus.iommu;

import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.LongAdder;

/**
 * The machine frames that a unit's tables are in. They belong to the hypervisor, so no guest can
 * map them, and come zeroed: a table in which nothing is present.
 */
final class TableFrames {
  /** Result of {@link #take}: the machine has none. */
  static final long NONE = FrameAllocator.OUT_OF_MEMORY;

  private final FrameTable frames;
  private final FrameAllocator allocator;
  private final LongAdder taken = new LongAdder();

  TableFrames(FrameTable frames, FrameAllocator allocator) {
    this.frames = frames;
    this.allocator = allocator;
  }

  /** Takes 2<sup>order</sup> frames that follow each other; the first, or {@link #NONE}. */
  long take(int order) {
    long mfn = allocator.allocate(order);
    if (mfn == NONE) {
      return NONE;
    }
    for (long each = mfn; each < mfn + (1L << order); each++) {
      frames.assign(each, FrameTable.HYPERVISOR);
    }
    taken.add(1L << order);
    return mfn;
  }

  /** Gives frames back that nothing refers to any more, no walk under way either. */
  void give(long mfn, int order) {
    for (long each = mfn; each < mfn + (1L << order); each++) {
      frames.dropAllocation(each);
      frames.put(each);
      frames.release(each);
    }
    allocator.free(mfn, order);
    taken.add(-1L << order);
  }

  /** Gives a paging structure back with all tables below it. */
  void giveTree(MemorySegment memory, long table, int level) {
    for (int i = 0; level > 1 && i < SecondLevelFormat.ENTRIES; i++) {
      long entry = memory.get(ValueLayout.JAVA_LONG, table + i * 8L);
      if (entry != 0 && !SecondLevelFormat.isLeaf(entry, level)) {
        giveTree(memory, entry & SecondLevelFormat.ADDRESS, level - 1);
      }
    }
    give(table >>> MachineMemory.FRAME_SHIFT, 0);
  }

  /** How many are taken. */
  long taken() {
    return taken.sum();
  }
}
