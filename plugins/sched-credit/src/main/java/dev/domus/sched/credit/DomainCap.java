package dev.domus.sched.credit;

/**
 * What a domain's vCPUs may use together. Each period the budget is filled up to cap per cent of
 * the period; running eats it; at 0 the domain's units are parked until the next period. What was
 * used too much is owed, so the cap holds on average however coarse the slices are.
 */
final class DomainCap {
  /** How many units of the domain there are, and how many run now. */
  int units;

  int running;

  /** Percent of one pCPU; 0 is none. */
  int cap;

  long budgetNanos;

  boolean exhausted() {
    return cap != 0 && budgetNanos <= 0;
  }

  void charge(long ranNanos) {
    if (cap != 0) {
      budgetNanos -= ranNanos;
    }
  }

  void refill(long elapsedNanos, long periodNanos) {
    if (cap != 0) {
      budgetNanos = Math.min(budgetNanos + elapsedNanos * cap / 100, periodNanos * cap / 100);
    }
  }

  /** A cap that is new starts with a full budget: at a swap that is all there is to know. */
  void cap(int newCap, long periodNanos) {
    if (newCap != cap) {
      cap = newCap;
      budgetNanos = periodNanos * cap / 100;
    }
  }
}
