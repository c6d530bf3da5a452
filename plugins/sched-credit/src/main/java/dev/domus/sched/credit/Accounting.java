package dev.domus.sched.credit;

import java.util.List;

/**
 * Hands out credit: the pCPU time that the pool had since the last time, in proportion to weights.
 *
 * <p>A unit can use at most one pCPU, and a unit that uses less than its share saves up only so
 * much; what it cannot take goes to the others, again by weight. That is max-min fairness by water
 * filling (D. Bertsekas, R. Gallager, <em>Data Networks</em>, 6.5.2): each round, whoever would get
 * more than it has room for gets just that and is out; when nobody is, the rest is divided. At most
 * as many rounds as units, in practice two or three.
 *
 * <p>Credit is paid for the period to come. So when a busy period ends, the balances of those who
 * took part should sum to zero: who is over pays with exactly what others are under. They sum to
 * less if somebody was paid and went to sleep; what is missing is made up for, or with each such
 * sleeper the pool would be a little more often without anybody who has credit, which is where
 * weights count for less.
 */
final class Accounting {
  /** Not more than this many periods are made up for after the pool was idle. */
  private static final int MOST_PERIODS = 4;

  private final int pcpus;
  private final long shortestNanos;
  private final long turnNanos;

  /**
   * An accounting.
   *
   * @param shortestNanos the period of a pool with few units
   * @param turnNanos what any unit runs at least when its turn comes
   */
  Accounting(int pcpus, long shortestNanos, long turnNanos) {
    this.pcpus = pcpus;
    this.shortestNanos = shortestNanos;
    this.turnNanos = turnNanos;
  }

  /**
   * How long a period is: as long as it takes until each unit can have had a turn. To hand out
   * credit more often would be to look at each unit more often than it can have run, so this bounds
   * what accounting costs a decision, however many units there are.
   */
  long periodNanos(int units) {
    return Math.max(shortestNanos, turnNanos * (units / pcpus));
  }

  /** The most that a unit can save, or owe. */
  private long mostNanos(int units) {
    // Two periods: one in hand, and one that a late pCPU has not let it spend yet.
    return 2 * periodNanos(units);
  }

  long bounded(long creditNanos, int units) {
    long most = mostNanos(units);
    return Math.clamp(creditNanos, -most, most);
  }

  /**
   * What part of the first period is due. Units that come from a scheduler of this kind bring
   * credit for a period that is not over yet; only what is over is due.
   */
  long firstPeriodNanos(List<Account> accounts) {
    long periodNanos = periodNanos(accounts.size());
    long brought = 0;
    for (int i = 0; i < accounts.size(); i++) {
      Account account = accounts.get(i);
      brought += account.unit.runnable() ? account.creditNanos : 0;
    }
    return Math.max(0, Math.min(periodNanos, periodNanos - brought / pcpus));
  }

  /** Gives out what the pool's pCPUs are worth in a time. */
  void handOut(List<Account> accounts, long elapsedNanos) {
    long elapsed = Math.min(elapsedNanos, MOST_PERIODS * periodNanos(accounts.size()));
    long mostNanos = mostNanos(accounts.size());
    long weights = 0;
    long sum = 0;
    for (int i = 0; i < accounts.size(); i++) {
      Account account = accounts.get(i);
      // Who neither ran nor wanted to takes no part: its weight must not dilute the others'.
      boolean active = account.ran || account.unit.runnable();
      account.ran = false;
      account.roomNanos = active ? Math.min(elapsed, mostNanos - account.creditNanos) : -1;
      if (active) {
        weights += account.unit.weight();
        sum += account.creditNanos;
      }
    }
    long pot = elapsed * pcpus + Math.max(0, -sum);
    while (weights > 0) {
      long potBefore = pot;
      long weightsBefore = weights;
      for (int i = 0; i < accounts.size(); i++) {
        Account account = accounts.get(i);
        int weight = account.unit.weight();
        if (account.roomNanos >= 0 && account.roomNanos <= potBefore * weight / weightsBefore) {
          account.creditNanos += account.roomNanos;
          pot -= account.roomNanos;
          weights -= weight;
          account.roomNanos = -1;
        }
      }
      if (weights == weightsBefore) {
        break;
      }
    }
    for (int i = 0; i < accounts.size(); i++) {
      Account account = accounts.get(i);
      if (account.roomNanos >= 0) {
        account.creditNanos += pot * account.unit.weight() / weights;
      }
    }
  }
}
