package dev.domus.kernel.mmu;

import java.util.Arrays;
import java.util.function.BooleanSupplier;

/**
 * One caller's way through long changes of page tables: when to pause, and what is left to take
 * apart.
 *
 * <p>A change that meets a big tree pauses after a table ({@link TableTypes}) and answers {@link
 * #RESTART}: the same call is to be made again, at once or when the caller runs again, and goes on
 * where this one stopped. What is left to <em>validate</em> needs no memory of it, for the call
 * itself will ask for it again. What is left to <em>take apart</em> nobody will ask for: the pin is
 * gone, the entry overwritten, or the error found. Its tables are noted here, and the caller makes
 * no other change before {@link #finish}.
 *
 * <p>A guest can execute another hypercall than the one that was to be continued. It does nothing
 * but harm itself: what is noted here is finished first, and what is not remains PARTIAL, its own,
 * until the frame is needed.
 *
 * <p>Each vCPU has one; a caller without a vCPU makes one with {@link #toTheEnd}. Used by one
 * thread at a time, the vCPU's own.
 */
public final class TableWork {
  /** Result of changes: nothing visible has happened yet; make the same call again. */
  public static final int RESTART = 2;

  private final BooleanSupplier mustPreempt;
  private final long[] unfinished = new long[4];
  private int count;
  private TableTypes tables;
  private boolean tableDone;
  private boolean preempted;

  /** The error of a call that was preempted at its end; 0 for none. */
  private int error;

  /**
   * Makes the work of a vCPU.
   *
   * @param mustPreempt whether its hypercall has to be continued later; asked once a table
   */
  public TableWork(BooleanSupplier mustPreempt) {
    this.mustPreempt = mustPreempt;
  }

  /** The work of a caller who is not to be preempted: a builder, the end of a domain. */
  public static TableWork toTheEnd() {
    return new TableWork(() -> false);
  }

  // ---- when to pause ----

  /** A table has been validated or taken apart: time to look at the clock. */
  void tableDone() {
    tableDone = true;
  }

  /** Says whether the change should pause here. At least one table has been done since the last. */
  boolean mustPause(MmuLock lock) {
    if (!tableDone) {
      return false;
    }
    tableDone = false;
    preempted = mustPreempt.getAsBoolean();
    return preempted || lock.isWanted();
  }

  /**
   * Says what to do about a result: true if the call is to be made again at once, because it has
   * paused only for others who want the lock; they have had it. The caller does not hold the lock.
   */
  boolean goesOn(int result, MmuLock lock) {
    if (result != RESTART || preempted) {
      return false;
    }
    lock.letOthersIn();
    return true;
  }

  // ---- what is left ----

  /** Notes a PARTIAL table that has to be taken apart before the call is over. */
  void leave(TableTypes tables, long mfn) {
    this.tables = tables;
    unfinished[count++] = mfn;
  }

  /** Says whether anything is left. */
  public boolean isUnfinished() {
    return count != 0;
  }

  /**
   * Takes apart what is left. The caller holds no lock.
   *
   * @return false if it has been preempted and is to be called again
   */
  public boolean finish() {
    while (count > 0) {
      if (tables.finish(unfinished[count - 1], this) == RESTART) {
        return false;
      }
      count--;
    }
    tables = null;
    error = 0;
    return true;
  }

  /**
   * Begins a call: goes on with what an earlier one has left.
   *
   * @return 0 if the call is to be carried out, else its result: {@link #RESTART}, or the error
   *     with which it had come to its {@linkplain #fail end} before it was preempted
   */
  public int begin() {
    int result = error;
    return finish() ? result : RESTART;
  }

  /**
   * Ends a call that has failed: it has its error when everything that it began is undone.
   *
   * @param result a negated error number
   * @return the same, or {@link #RESTART}; then the same call is to be made again, and {@link
   *     #begin} goes on
   */
  public int fail(int result) {
    if (finish()) {
      return result;
    }
    error = result;
    return RESTART;
  }

  @Override
  public String toString() {
    return "unfinished=" + Arrays.toString(Arrays.copyOf(unfinished, count));
  }
}
