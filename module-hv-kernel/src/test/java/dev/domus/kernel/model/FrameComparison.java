package dev.domus.kernel.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import dev.domus.kernel.Hypervisor;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineToPhys;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Compares all frames of a machine, what the frame table says of them, and the M2P, with a model.
 */
final class FrameComparison {
  /** Where the count of a batch goes in a page of arguments, and the most that it can be. */
  private static final int DONE_WORD = (int) (Twin.DONE & 4095) / 8, MOST_REQUESTS = 3;

  private final MemorySegment memory;
  private final FrameTable table;
  private final MachineToPhys m2p;

  FrameComparison(Hypervisor hypervisor) {
    memory = hypervisor.memory();
    table = hypervisor.machineFrames().table();
    m2p = hypervisor.machineFrames().m2p();
  }

  /**
   * Throws an AssertionError where they differ.
   *
   * @param interrupted whether a hypercall was preempted
   */
  void compare(FrameModel frames, boolean interrupted) {
    for (long mfn = 1; mfn < table.frames(); mfn++) {
      ModelFrame f = frames.frames.get(mfn);
      int owner = table.owner(mfn);
      if (f != null) {
        compare(frames, f, interrupted);
      } else if (owner != FrameTable.NOBODY && owner != FrameTable.HYPERVISOR) {
        fail("free in the model: " + table.describe(mfn));
      }
    }
  }

  private void compare(FrameModel frames, ModelFrame f, boolean interrupted) {
    long mfn = f.mfn;
    assertEquals(f.owner, table.owner(mfn), () -> "owner: " + table.describe(mfn));
    assertEquals(f.references, table.references(mfn), () -> "references: " + table.describe(mfn));
    assertEquals(f.typeCount, table.typeCount(mfn), () -> "types: " + table.describe(mfn));
    assertEquals(f.allocated, table.isAllocated(mfn), () -> "allocated: " + table.describe(mfn));
    assertEquals(f.pinned, table.isPinned(mfn), () -> "pinned: " + table.describe(mfn));
    if (f.typeCount > 0) {
      assertEquals(f.type, table.type(mfn), () -> "type: " + table.describe(mfn));
      assertEquals(f.linear, table.linear().count(mfn), () -> "linear: " + table.describe(mfn));
    }
    assertEquals(f.pfn, m2p.pfn(mfn), () -> "M2P: " + table.describe(mfn));
    MemorySegment words = MemorySegment.ofArray(f.words);
    long from = mfn << 12;
    if (!f.opaque && MemorySegment.mismatch(words, 0, 4096, memory, from, from + 4096) >= 0) {
      for (int i = 0; i < 512; i++) {
        compareWord(frames, f, i, interrupted);
      }
    }
  }

  /**
   * A page that was found bad may have been mended in part. Where the count of a batch goes, a
   * preempted one has told how far it was, and may have moved or copied the page since.
   */
  private void compareWord(FrameModel frames, ModelFrame f, int i, boolean interrupted) {
    long actual = memory.get(ValueLayout.JAVA_LONG, (f.mfn << 12) + 8L * i);
    if (interrupted && i == DONE_WORD && actual >= 0 && actual <= MOST_REQUESTS) {
      f.set(i, actual);
    }
    Integer looked = frames.lookedAt.get(f.mfn);
    if (actual != f.words[i] && looked != null && mended(frames, f.words[i], looked, i) == actual) {
      f.set(i, actual);
    }
    assertEquals(
        Long.toHexString(f.words[i]),
        Long.toHexString(actual),
        () -> "word %d: %s".formatted(i, table.describe(f.mfn)));
  }

  private static long mended(FrameModel frames, long word, int type, int index) {
    if (FrameModel.isReserved(type, index)) {
      return index == 256 ? frames.m2pEntry : 0;
    }
    try {
      return type == ModelFrame.SEGDESC
          ? FrameModel.descriptor(word)
          : FrameModel.isPresent(word) ? FrameModel.adjusted(word, type) : word;
    } catch (Refused bad) {
      return word;
    }
  }
}
