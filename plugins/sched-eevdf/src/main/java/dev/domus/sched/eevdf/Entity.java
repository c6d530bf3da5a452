package dev.domus.sched.eevdf;

import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.UnitQueue;

/** What EEVDF keeps of a unit, and its place among those that wait. */
final class Entity extends UnitQueue.Entry {
  /** Virtual time that a unit of weight 1 gains in a nanosecond. */
  static final long SCALE = 1 << 16;

  long weight;
  long sliceNanos;

  /** Virtual run time, and where the slice that it asks for ends in virtual time. */
  long vruntime;

  long deadline;

  /** What it was owed when it fell asleep, in nanoseconds; 0 or more. */
  long sleptWithLagNanos;

  /** Gave the rest of its turn away; the next in the queue of those who did. */
  boolean yielded;

  Entity nextYielded;

  Entity(SchedUnit unit) {
    super(unit);
  }

  /** How far a time of its own moves it in virtual time. */
  long virtual(long nanos) {
    return nanos * SCALE / weight;
  }

  /** The inverse of {@link #virtual}. */
  long real(long virtual) {
    return virtual * weight / SCALE;
  }
}
