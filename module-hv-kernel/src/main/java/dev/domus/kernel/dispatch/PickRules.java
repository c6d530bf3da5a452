package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Decision;

/** What a scheduler may answer to a pick. */
final class PickRules {
  private PickRules() {}

  /** What is illegal about a decision, or null. With the seat's lock. */
  static String wrongWith(Decision decision, Pcpu cpu) {
    if (!decision.made()) {
      return "pick(pcpu=%d) decided nothing".formatted(cpu.index);
    }
    if (decision.isIdle()) {
      return null;
    }
    if (!(decision.unit() instanceof DispatchUnit unit)
        || unit.seat != cpu.seat
        || !unit.inserted) {
      return "picked %s, which is not a unit of the run queue".formatted(decision.unit().label());
    }
    if (unit.on != null) {
      return "picked %s for pcpu=%d while it runs on pcpu=%d"
          .formatted(unit, cpu.index, unit.on.index);
    }
    if (!unit.runnable) {
      return "picked %s for pcpu=%d, which is not runnable".formatted(unit, cpu.index);
    }
    if (!unit.affinity().contains(cpu.index)) {
      return "picked %s for pcpu=%d, outside its affinity=%s"
          .formatted(unit, cpu.index, unit.affinity());
    }
    long slice = decision.sliceNanos();
    if (slice < Decision.MIN_SLICE_NANOS || slice > Decision.MAX_SLICE_NANOS) {
      return "gave %s a slice outside %d … %d ns: slice=%d"
          .formatted(unit, Decision.MIN_SLICE_NANOS, Decision.MAX_SLICE_NANOS, slice);
    }
    return null;
  }
}
