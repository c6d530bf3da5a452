package dev.domus.sched.credit2;

import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.UnitQueue;

/**
 * What credit2 keeps of a unit.
 *
 * <p>Instead of its credit, it keeps the <em>burned</em> part of all the credit that anybody was
 * ever given: the credit is the difference to {@link Credit2}'s {@code given}. So a reset gives
 * credit to all by one addition.
 */
final class Account extends UnitQueue.Entry {
  /** Credit that a unit of the default weight burns in a nanosecond. */
  static final long SCALE = 1 << 10;

  final Caps.Domain domain;
  final LoadAverage load;
  int weight;
  long burned;

  /** What it has had of its turn, if it was preempted too soon. */
  long turnNanos;

  Account(SchedUnit unit, Caps.Domain domain, LoadAverage load) {
    super(unit);
    this.domain = domain;
    this.load = load;
  }

  /** The credit that it burns in a time. */
  long credit(long nanos) {
    return nanos * (SCALE * SchedUnit.DEFAULT_WEIGHT) / weight;
  }

  /** The time in which it burns credit. */
  long nanos(long credit) {
    return credit * weight / (SCALE * SchedUnit.DEFAULT_WEIGHT);
  }
}
