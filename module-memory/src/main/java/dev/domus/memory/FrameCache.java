package dev.domus.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A few single free frames in front of the buddy lists: two stacks, of clean frames and of dirty
 * ones, behind a lock of one word.
 *
 * <p>All of it is one {@code int[]} with unused cells at both ends, so that two caches never share
 * a cache line and a thread that works alone in its cache touches two or three lines that are its
 * own:
 *
 * <pre>
 *   0        32     33      34      48               112              176      208
 *   +--------+------+-------+-------+----------------+----------------+--------+
 *   | unused | lock | clean | dirty | clean frames   | dirty frames   | unused |
 *   +--------+------+-------+-------+----------------+----------------+--------+
 * </pre>
 *
 * <p>Frame numbers fit: {@link MachineMemory#MAX_FRAMES} is 2<sup>30</sup>; 0 is none.
 *
 * <p>Every method but the three of the lock is called by the lock's holder. The lock is a leaf of
 * the lock order, nobody blocks or allocates while holding it, and those on hot paths only try it:
 * they go to the buddy lists if somebody is in, who may have lost his processor.
 */
final class FrameCache {
  /** Frames a stack: two batches, so that neither alternating nor a run of either kind thrashes. */
  static final int CAPACITY = 64;

  /** Frames moved from or to the buddy lists at a time: makes their lock cost little a frame. */
  static final int BATCH = CAPACITY / 2;

  /** Result of {@link #pop}: there is none. */
  static final int NO_FRAME = 0;

  private static final int UNUSED = 32; // two cache lines: processors fetch them in pairs
  private static final int LOCK = UNUSED;
  private static final int CLEAN = LOCK + 1;
  private static final int DIRTY = LOCK + 2;
  private static final int CLEAN_FRAMES = UNUSED + 16;
  private static final int DIRTY_FRAMES = CLEAN_FRAMES + CAPACITY;
  private static final int CELLS = DIRTY_FRAMES + CAPACITY + UNUSED;
  private static final int SPINS_BEFORE_YIELD = 100; // a holder that runs is out by then

  private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(int[].class);

  private final int[] cells = new int[CELLS];

  boolean tryLock() {
    return CELL.compareAndSet(cells, LOCK, 0, 1);
  }

  void lock() {
    for (int spins = 0; !tryLock(); spins++) {
      if (spins < SPINS_BEFORE_YIELD) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
  }

  void unlock() {
    CELL.setRelease(cells, LOCK, 0);
  }

  int size() {
    return cells[CLEAN] + cells[DIRTY];
  }

  /** Takes the frame put in last, a clean one if there is any. */
  int pop() {
    int[] c = cells;
    int clean = c[CLEAN];
    if (clean > 0) {
      c[CLEAN] = clean - 1;
      return c[CLEAN_FRAMES + clean - 1];
    }
    return popDirty();
  }

  int popDirty() {
    int[] c = cells;
    int dirty = c[DIRTY];
    if (dirty == 0) {
      return NO_FRAME;
    }
    c[DIRTY] = dirty - 1;
    return c[DIRTY_FRAMES + dirty - 1];
  }

  /** The frame that {@link #popDirty} would take. */
  int newestDirty() {
    int dirty = cells[DIRTY];
    return dirty == 0 ? NO_FRAME : cells[DIRTY_FRAMES + dirty - 1];
  }

  /** Puts a frame in; false if there is no room. */
  boolean push(int mfn, boolean dirty) {
    int[] c = cells;
    int count = dirty ? DIRTY : CLEAN;
    int held = c[count];
    if (held == CAPACITY) {
      return false;
    }
    c[(dirty ? DIRTY_FRAMES : CLEAN_FRAMES) + held] = mfn;
    c[count] = held + 1;
    return true;
  }

  /** Takes the dirty frame that has been in longest. */
  int removeOldestDirty() {
    int[] c = cells;
    int dirty = c[DIRTY];
    if (dirty == 0) {
      return NO_FRAME;
    }
    int mfn = c[DIRTY_FRAMES];
    System.arraycopy(c, DIRTY_FRAMES + 1, c, DIRTY_FRAMES, dirty - 1);
    c[DIRTY] = dirty - 1;
    return mfn;
  }

  /** Without the lock: a hint. */
  boolean hasDirty() {
    return cells[DIRTY] != 0;
  }

  boolean hasRoomForClean() {
    return cells[CLEAN] < CAPACITY;
  }
}
