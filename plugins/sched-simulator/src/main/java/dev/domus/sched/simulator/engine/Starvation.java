package dev.domus.sched.simulator.engine;

import java.util.List;

/**
 * The kernel's rule for who starves, in virtual time. What is measured is the CPU time that the run
 * queue gave to others since the vCPU began to wait; too much is
 *
 * <pre>
 *    250 ms × (runnable vCPUs + sum of their weights / its weight) × (100 / cap, if cap &lt; 100)
 * </pre>
 *
 * and on top of that what its scheduler says that its operator wants ({@link Vcpu#mayWaitNanos}),
 * and as much time beside a pCPU that was told to idle and that it might use.
 */
final class Starvation {
  /** How often the simulation looks. */
  static final long TICK_NANOS = 10_000_000;

  private static final long UNIT_NANOS = 250_000_000;

  private Starvation() {}

  /** A vCPU that starves, or null. */
  static Vcpu find(List<Vcpu> all, Seat[] seats) {
    for (Seat seat : seats) {
      seat.runnableWeights = 0;
    }
    for (int i = 0; i < all.size(); i++) {
      Vcpu vcpu = all.get(i);
      if (vcpu.runnable) {
        vcpu.seat.runnableWeights += vcpu.weight();
      }
    }
    for (int i = 0; i < all.size(); i++) {
      Vcpu vcpu = all.get(i);
      if (vcpu.runnable && vcpu.on == null && starves(vcpu, vcpu.seat)) {
        return vcpu;
      }
    }
    return null;
  }

  private static boolean starves(Vcpu vcpu, Seat seat) {
    if (seat.idleCpus > 0 && mayUseAnIdleOne(vcpu, seat)) {
      vcpu.idleTicks++;
    }
    long limit = UNIT_NANOS * (seat.runnableVcpus + seat.runnableWeights / vcpu.weight());
    if (vcpu.cap() > 0 && vcpu.cap() < 100) {
      limit = limit * 100 / vcpu.cap();
    }
    long wanted = Math.min(vcpu.mayWaitNanos, Long.MAX_VALUE / 2 / seat.cpus.length);
    return seat.deliveredNanos - vcpu.waitingSinceDelivered > limit + wanted * seat.cpus.length
        || vcpu.idleTicks * TICK_NANOS > limit + wanted;
  }

  private static boolean mayUseAnIdleOne(Vcpu vcpu, Seat seat) {
    for (Pcpu cpu : seat.cpus) {
      if (cpu.toldToIdle && vcpu.affinity().contains(cpu.index)) {
        return true;
      }
    }
    return false;
  }
}
