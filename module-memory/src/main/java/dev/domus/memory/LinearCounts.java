package dev.domus.memory;

import static dev.domus.memory.FrameTableLayout.INT;
import static dev.domus.memory.FrameTableLayout.LINEAR;
import static dev.domus.memory.FrameTableLayout.at;

import java.lang.foreign.MemorySegment;

/**
 * How page tables are used by tables of their own level (linear page tables; xen-pv-abi.md, 5.3).
 *
 * <p>One signed count for each frame: positive is the number of linear entries that the table
 * holds, negative the number of such entries elsewhere that name it. So a table is never both, and
 * there are no chains of them (XSA-240). Part of the {@link FrameTable}'s entries, and as
 * thread-safe: each change is one compare-and-set, nothing allocates, and a number that no frame
 * has throws {@link IndexOutOfBoundsException}.
 */
public final class LinearCounts {
  private final MemorySegment table;
  private final long frames;

  LinearCounts(MemorySegment table, long frames) {
    this.table = table;
    this.frames = frames;
  }

  /**
   * How many linear entries the table holds (positive) or how many elsewhere point at it
   * (negative).
   */
  public int count(long mfn) {
    if (Long.compareUnsigned(mfn, frames) >= 0) {
      throw new IndexOutOfBoundsException("no such frame: mfn=" + mfn + " frames=" + frames);
    }
    return (int) INT.getVolatile(table, at(mfn) + LINEAR);
  }

  /**
   * Counts a linear entry in a table; false if the table is itself the target of one, or has too
   * many.
   */
  public boolean addEntry(long mfn) {
    return add(mfn, 1);
  }

  /**
   * Counts a linear use of a table; false if the table itself contains linear entries, or is used
   * too often.
   */
  public boolean addUse(long mfn) {
    return add(mfn, -1);
  }

  /** Takes back {@link #addEntry}. */
  public void removeEntry(long mfn) {
    remove(mfn, 1);
  }

  /** Takes back {@link #addUse}. */
  public void removeUse(long mfn) {
    remove(mfn, -1);
  }

  private boolean add(long mfn, int sign) {
    while (true) {
      int count = count(mfn);
      if (count * (long) sign < 0 || count == Integer.MAX_VALUE || count == -Integer.MAX_VALUE) {
        return false;
      }
      if (INT.compareAndSet(table, at(mfn) + LINEAR, count, count + sign)) {
        return true;
      }
    }
  }

  private void remove(long mfn, int sign) {
    while (true) {
      int count = count(mfn);
      if (count * (long) sign <= 0) {
        throw new IllegalStateException(
            "linear count put that nobody took: mfn=0x%x count=%d".formatted(mfn, count));
      }
      if (INT.compareAndSet(table, at(mfn) + LINEAR, count, count - sign)) {
        return;
      }
    }
  }
}
