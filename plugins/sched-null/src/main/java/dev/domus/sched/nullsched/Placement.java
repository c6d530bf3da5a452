package dev.domus.sched.nullsched;

import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.UnitQueue;

/** Where a unit is: on its pCPU, or in the wait queue. */
final class Placement extends UnitQueue.Entry {
  static final int NONE = -1;

  /** Its place among all that came. */
  final long arrival;

  int pcpu = NONE;

  Placement(SchedUnit unit, long arrival) {
    super(unit);
    this.arrival = arrival;
  }
}
