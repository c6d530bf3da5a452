package dev.domus.sched.credit;

/**
 * Classes of runnable units, the first to be served first.
 *
 * <p>OVER has bands by debt, as fine as ticks. Without them, all who are over take turns, and
 * whoever was pushed over deepest comes first again: it went to the queue before those who have
 * only just used up their credit. Debts would be handed on from period to period instead of being
 * paid, and shares stay wrong by as much.
 */
enum Priority {
  /** Has just woken up, with credit: served at once, for one tick. */
  BOOST,
  /** Has credit. */
  UNDER,
  /** Has no credit, or owes less than a tick. */
  OVER,
  /** Owes one or two ticks. */
  DEEP,
  /** Owes more, or has yielded. */
  DEEPEST;

  private static final int FIRST_OVER = OVER.ordinal();

  static Priority byCredit(long creditNanos, long tickNanos) {
    if (creditNanos > 0) {
      return UNDER;
    }
    if (creditNanos > -tickNanos) {
      return OVER;
    }
    return creditNanos > -3 * tickNanos ? DEEP : DEEPEST;
  }

  boolean isOver() {
    return ordinal() >= FIRST_OVER;
  }

  /** Whether a unit of this class may take the pCPU from one of another: bands do not count. */
  boolean preempts(Priority other) {
    return ordinal() < Math.min(other.ordinal(), FIRST_OVER);
  }
}
