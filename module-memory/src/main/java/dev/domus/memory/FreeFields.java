package dev.domus.memory;

import static dev.domus.memory.FrameTableLayout.ALLOCATED;
import static dev.domus.memory.FrameTableLayout.COMMITTED;
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
 * <p>The free field of a frame says one of four things: inside a free block (0, as a fresh table
 * has it), head of a free block (order + 1), free in a cache, or handed out. Who may change it:
 *
 * <ul>
 *   <li>inside, head: whoever holds the allocator's lock;
 *   <li>cached: whoever holds the lock of that cache, or has just taken the frame out of it;
 *   <li>handed out: any thread may try to free the frame, so that step ({@link #freed}) is one
 *       compare-and-set, which of two threads that free a frame at once only one can pass.
 * </ul>
 *
 * <p>Nobody else changes the entry of a frame without owner, so all other steps are plain stores
 * with release: the locks order them, and the owner-to-be assigns by compare-and-set.
 */
final class FreeFields {
  private static final int NO_FRAME = 0; // ends lists: frame 0 is never free
  private static final int CACHED = 30;
  private static final int HANDED_OUT = 31;
  private static final long CACHED_FIELD = (long) CACHED << FREE_SHIFT;
  private static final long HANDED_OUT_FIELD = (long) HANDED_OUT << FREE_SHIFT;

  private final MemorySegment table;

  FreeFields(FrameTable frames) {
    table = frames.entries();
  }

  /** Order of the free block that the frame heads, or -1 if it heads none. */
  int freeOrder(long mfn) {
    int field = (int) ((use(mfn) & FREE) >>> FREE_SHIFT);
    return field >= CACHED ? -1 : field - 1;
  }

  /** Says whether the frame is in a free block. Means nothing below the allocator's first frame. */
  boolean isInFreeBlock(long mfn) {
    return (use(mfn) & FREE) < CACHED_FIELD;
  }

  void setFreeHead(long mfn, int order) {
    setFreeField(mfn, order + 1);
  }

  void setFreeInside(long mfn) {
    setFreeField(mfn, 0);
  }

  void setCached(long mfn) {
    setFreeField(mfn, CACHED);
  }

  void setHandedOut(long mfn) {
    setFreeField(mfn, HANDED_OUT);
  }

  /** In one step: handed out, and clean because the caller has made it so. */
  void setHandedOutClean(long mfn) {
    LONG.setRelease(table, at(mfn) + USE, use(mfn) & ~(FREE | DIRTY) | HANDED_OUT_FIELD);
  }

  /**
   * Takes a frame back from whoever had it: dirty and committed from now on, and the caller's to
   * put somewhere.
   *
   * @param cached whether it is bound for a cache, or else for a block
   * @return false if it was not handed out, or is somebody's
   */
  boolean freed(long mfn, boolean cached) {
    long use = use(mfn);
    return isFreeToGo(use)
        && LONG.compareAndSet(
            table,
            at(mfn) + USE,
            use,
            use & ~FREE | DIRTY | COMMITTED | (cached ? CACHED_FIELD : 0));
  }

  /** Says whether a frame is handed out and nobody's. */
  boolean mayBeFreed(long mfn) {
    return isFreeToGo(use(mfn));
  }

  boolean isDirty(long mfn) {
    return (use(mfn) & DIRTY) != 0;
  }

  /** Says whether the host may have memory behind a free frame. */
  boolean isCommitted(long mfn) {
    return (use(mfn) & COMMITTED) != 0;
  }

  void setDecommitted(long mfn) {
    LONG.setRelease(table, at(mfn) + USE, use(mfn) & ~(COMMITTED | DIRTY));
  }

  void setDirty(long mfn, boolean dirty) {
    long use = use(mfn);
    LONG.setRelease(table, at(mfn) + USE, dirty ? use | DIRTY : use & ~DIRTY);
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
    LONG.setRelease(table, at(mfn) + USE, use & ~FREE | (long) value << FREE_SHIFT);
  }

  private static boolean isFreeToGo(long use) {
    return (use & (FREE | COUNT | ALLOCATED)) == HANDED_OUT_FIELD;
  }

  private long use(long mfn) {
    return (long) LONG.getAcquire(table, at(mfn) + USE);
  }
}
