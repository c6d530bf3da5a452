package dev.domus.sched.credit;

import dev.domus.kernel.sched.CapBucket;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.UnitQueue;

/** What credit keeps of a unit, and its place among those that wait. */
final class Account extends UnitQueue.Entry {
  /** What a domain's units have in common. */
  static final class Domain {
    final CapBucket bucket;
    int units;

    Domain(CapBucket bucket) {
      this.bucket = bucket;
    }
  }

  final Domain domain;

  /** Its place in the list of all accounts. */
  int index;

  /** pCPU time it may use before it is over its share; negative if it has. */
  long creditNanos;

  Priority priority = Priority.OVER;

  /** Ran since the last accounting. */
  boolean ran;

  /** For {@link Accounting}: what it can still take in this round; negative if not taking part. */
  long roomNanos;

  Account(SchedUnit unit, Domain domain) {
    super(unit);
    this.domain = domain;
  }
}
