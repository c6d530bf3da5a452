package dev.domus.sched.simulator.engine;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.SchedUnit;

/**
 * What a scheduler may answer: the rules that the kernel's dispatcher has. They are written again
 * here because the kernel's are about its own records, which it shows to nobody.
 */
final class PickRules {
  private PickRules() {}

  /** What is illegal about a decision, or null. */
  static String wrongWith(Decision decision, Pcpu cpu) {
    if (!decision.made()) {
      return "pick(pcpu=%d) decided nothing".formatted(cpu.index);
    }
    if (decision.isIdle()) {
      return null;
    }
    if (!(decision.unit() instanceof Vcpu vcpu) || vcpu.seat != cpu.seat || !vcpu.inserted) {
      return "picked %s, which is not a unit of the run queue".formatted(decision.unit().label());
    }
    if (vcpu.on != null) {
      return "picked %s for pcpu=%d while it runs on pcpu=%d"
          .formatted(vcpu, cpu.index, vcpu.on.index);
    }
    if (!vcpu.runnable) {
      return "picked %s for pcpu=%d, which is not runnable".formatted(vcpu, cpu.index);
    }
    if (!vcpu.affinity().contains(cpu.index)) {
      return "picked %s for pcpu=%d, outside its affinity=%s"
          .formatted(vcpu, cpu.index, vcpu.affinity());
    }
    long slice = decision.sliceNanos();
    if (slice < Decision.MIN_SLICE_NANOS || slice > Decision.MAX_SLICE_NANOS) {
      return "gave %s a slice outside %d … %d ns: slice=%d"
          .formatted(vcpu, Decision.MIN_SLICE_NANOS, Decision.MAX_SLICE_NANOS, slice);
    }
    return null;
  }

  /** What is illegal about an offer, or null. */
  static String wrongWith(SchedUnit offered, Seat giver, Seat taker) {
    boolean legal =
        offered instanceof Vcpu vcpu
            && vcpu.seat == giver
            && vcpu.inserted
            && vcpu.on == null
            && vcpu.runnable
            && taker.allows(vcpu);
    return legal
        ? null
        : "offered %s, which does not wait there or may not run here".formatted(offered.label());
  }
}
