package dev.domus.sched.rtds;

import dev.domus.kernel.sched.CapBucket;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.UnitQueue;

/**
 * A deferrable server: a unit's reservation, and its place among those that wait for a pCPU.
 *
 * <p>It has something left of the period's budget, or it is <em>spent</em>; if it has extra time,
 * that is counted over its life.
 */
final class Server extends UnitQueue.Entry {
  /** Its place among those that wait for a time. */
  static final class Alarm extends UnitQueue.Entry {
    final Server server;

    private Alarm(Server server) {
      super(server.unit);
      this.server = server;
    }
  }

  final Domain domain;
  final Alarm alarm;

  long periodNanos;
  long budgetNanos;
  boolean extraTime;

  /** Its reservation counts; else it has only extra time. */
  boolean admitted;

  /** The end of the period in which it is. */
  long deadlineNanos;

  /** What is left of the budget; a little below 0 if its pCPU was late. */
  long leftNanos;

  /** Nothing is left until the next period. */
  boolean spent;

  /** The extra time that it has had, made equal to others' where it wanted none. */
  long extraNanos;

  Server(SchedUnit unit, Domain domain) {
    super(unit);
    this.domain = domain;
    this.alarm = new Alarm(this);
  }

  /** What its domain's units have in common. */
  static final class Domain {
    final CapBucket bucket;
    int units;

    Domain(CapBucket bucket) {
      this.bucket = bucket;
    }
  }

  /** Begins the period in which a time is, if the one before is over. Periods keep their phase. */
  void renew(long nowNanos) {
    if (nowNanos >= deadlineNanos) {
      deadlineNanos += ((nowNanos - deadlineNanos) / periodNanos + 1) * periodNanos;
      leftNanos = budgetNanos + Math.min(0, leftNanos);
      spent = false;
    }
  }
}
