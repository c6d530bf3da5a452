package dev.domus.sched.credit;

/** Classes of runnable units, the first to be served first. */
enum Priority {
  /** Has just woken up, with credit: served at once, for one tick. */
  BOOST,
  /** Has credit. */
  UNDER,
  /** Has none, or has yielded. */
  OVER;

  static Priority byCredit(long creditNanos) {
    return creditNanos > 0 ? UNDER : OVER;
  }

  /** Whether a unit of this class may take the pCPU from one of another. */
  boolean preempts(Priority other) {
    return ordinal() < other.ordinal();
  }
}
