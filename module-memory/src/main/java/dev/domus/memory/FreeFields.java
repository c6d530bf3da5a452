package dev.domus.memory;

import static dev.domus.memory.FrameTableLayout.ALLOCATED;
import static dev.domus.memory.FrameTableLayout.COUNT;
import static dev.domus.memory.FrameTableLayout.DIRTY;
import static dev.domus.memory.FrameTableLayout.FREE;
import static dev.domus.memory.FrameTableLayout.FREE_SHIFT;
import static dev.domus.memory.FrameTableLayout.INT;
import static dev.domus.memory.FrameTableLayout.LONG;
import static dev.domus.memory.FrameTableLayout.NEXT;
import static dev.domus.memory.FrameTableLayout.PREVIOUS;
import static dev.domus.memory.FrameTableLayout.USE;
import static dev.domus.memory.FrameTableLayout.at;

import java.lang.foreign.MemorySegment;

/**
 * The allocator's part of the frame table: which frames are free, in blocks of which order, and the
 * lists of those.
 *
 * <p>The free field of a frame says one of three things: inside a free block (0, as a fresh table
 * has it), head of a free block (order + 1), or handed out. Used under the allocator's lock, apart
 * from the dirty bit of frames handed out and not yet assigned, which is their receiver's. Plain
 * stores suffice: nobody else changes the entry of a frame without owner.
 */
final class FreeFields {
  private static final int NO_FRAME = 0; // ends lists: frame 0 is never free
  private static final int HANDED_OUT = 31;

  private final MemorySegment table;

  FreeFields(FrameTable frames) {
    table = frames.entries();
  }

  /** Order of the free block that the frame heads, or -1 if it heads none. */
  int freeOrder(long mfn) {
    int field = (int) ((use(mfn) & FREE) >>> FREE_SHIFT);
    return field == HANDED_OUT ? -1 : field - 1;
  }

  void setFreeHead(long mfn, int order) {
    setFreeField(mfn, order + 1);
  }

  void setFreeInside(long mfn) {
    setFreeField(mfn, 0);
  }

  void setHandedOut(long mfn) {
    setFreeField(mfn, HANDED_OUT);
  }

  boolean isHandedOut(long mfn) {
    return (use(mfn) & FREE) == (long) HANDED_OUT << FREE_SHIFT;
  }

  boolean isUnowned(long mfn) {
    return (use(mfn) & (COUNT | ALLOCATED)) == 0;
  }

  boolean isDirty(long mfn) {
    return (use(mfn) & DIRTY) != 0;
  }

  void setDirty(long mfn, boolean dirty) {
    long use = use(mfn);
    LONG.setVolatile(table, at(mfn) + USE, dirty ? use | DIRTY : use & ~DIRTY);
  }

  long next(long mfn) {
    return (int) INT.get(table, at(mfn) + NEXT);
  }

  long previous(long mfn) {
    return (int) INT.get(table, at(mfn) + PREVIOUS);
  }

  void link(long before, long after) {
    if (before != NO_FRAME) {
      INT.set(table, at(before) + NEXT, (int) after);
    }
    if (after != NO_FRAME) {
      INT.set(table, at(after) + PREVIOUS, (int) before);
    }
  }

  private void setFreeField(long mfn, int value) {
    long use = use(mfn);
    LONG.setVolatile(table, at(mfn) + USE, use & ~FREE | (long) value << FREE_SHIFT);
  }

  private long use(long mfn) {
    return (long) LONG.getVolatile(table, at(mfn) + USE);
  }
}
