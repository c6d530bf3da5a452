package dev.domus.sched.arinc653;

import dev.domus.kernel.sched.SchedUnit;

/**
 * A vCPU that the table names; perhaps it is not there. (The standard calls a guest a partition.)
 */
final class Partition {
  /** The pCPUs in whose rows it has windows. */
  final int[] rows;

  /** Null while it is not there: read by each decision. */
  private SchedUnit unit;

  Partition(int[] rows) {
    this.rows = rows;
  }

  void arrive(SchedUnit newUnit) {
    unit = newUnit;
  }

  void leave() {
    unit = null;
  }

  /** Whether it is there, wants a pCPU, has none, and may have this one. */
  boolean canRunOn(int pcpu) {
    SchedUnit u = unit;
    return u != null && u.runnable() && u.runningOn() < 0 && u.affinity().contains(pcpu);
  }

  /** The unit, if it {@linkplain #canRunOn can run}. */
  SchedUnit unit() {
    return unit;
  }
}
