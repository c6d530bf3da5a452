package dev.domus.sched.rr;

import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.UnitQueue;

/** What round-robin keeps of a unit: its place in the queue, and what is left of its turn. */
final class Turn extends UnitQueue.Entry {
  /** What is left of a turn that was cut short; 0 if the next one is a full one. */
  long leftNanos;

  Turn(SchedUnit unit) {
    super(unit);
  }
}
