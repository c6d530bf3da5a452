package dev.domus.kernel.dispatch;

import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * Watches all schedulers of a dispatcher from a thread of its own, which never runs plugin code.
 *
 * <p><b>Overlong calls.</b> A call that is still in progress after {@link
 * DispatchLimits#decisionNanos} and {@value DispatchLimits#DECISION_TICKS} ticks loses its pool.
 * Ticks count because a host that stalls stalls the watchdog too.
 *
 * <p><b>Starvation.</b> Wall time is no measure: on a busy host nobody runs for a while, and that
 * is not the scheduler's fault. What is measured is the pCPU time that the pool gave to others
 * since the unit began to wait. A fair scheduler lets a unit wait for about one round of the
 * others' slices, longer if its weight or its cap is small; so it starves if it has waited for
 *
 * <pre>
 *    starvationNanos × (runnable units + sum of their weights / its weight) × (100 / cap, if cap &lt; 100)
 * </pre>
 *
 * of pCPU time. With the default of 250 ms that is several times what any honest scheduler needs.
 * If a pCPU that it may use was told to idle meanwhile, each tick counts as well: then nobody runs,
 * and the unit was forgotten.
 */
final class Watchdog implements Runnable {
  private final Dispatcher dispatcher;
  private final DispatchLimits limits;

  Watchdog(Dispatcher dispatcher, DispatchLimits limits) {
    this.dispatcher = dispatcher;
    this.limits = limits;
  }

  @Override
  public void run() {
    while (!dispatcher.closed()) {
      LockSupport.parkNanos(this, limits.tickNanos());
      for (Pool pool : dispatcher.pools()) {
        checkCall(pool);
        pool.seat.checkStarvation(limits);
      }
      dispatcher.deliverFaults();
    }
    dispatcher.deliverFaults();
  }

  private void checkCall(Pool pool) {
    long call = pool.seat.lock().callInProgress();
    long now = System.nanoTime();
    if (call == 0 || call != pool.watchedCall || pool.seat.lock() != pool.watchedLock) {
      pool.watchedCall = call;
      pool.watchedLock = pool.seat.lock();
      pool.watchedTicks = 0;
      pool.watchedSinceNanos = now;
      return;
    }
    long took = now - pool.watchedSinceNanos;
    if (++pool.watchedTicks >= DispatchLimits.DECISION_TICKS && took > limits.decisionNanos()) {
      pool.seat.giveUpOn(call, took);
    }
  }

  /** A unit that has waited for longer than any honest scheduler would let it, or null. */
  static DispatchUnit findStarving(
      List<DispatchUnit> units, Pcpu[] cpus, long deliveredNanos, DispatchLimits limits) {
    int runnable = 0;
    long weights = 0;
    for (int i = 0; i < units.size(); i++) {
      DispatchUnit unit = units.get(i);
      if (unit.runnable) {
        runnable++;
        weights += unit.weight();
      }
    }
    for (int i = 0; i < units.size(); i++) {
      DispatchUnit unit = units.get(i);
      if (unit.runnable && unit.on == null) {
        if (mayUseAnIdleOne(unit, cpus)) {
          unit.idleTicks++;
        }
        long limit = limits.starvationNanos() * (runnable + weights / unit.weight());
        if (unit.cap() > 0 && unit.cap() < 100) {
          limit = limit * 100 / unit.cap();
        }
        long waited = deliveredNanos - unit.waitingSinceDelivered;
        if (waited > limit || unit.idleTicks * limits.tickNanos() > limit) {
          return unit;
        }
      }
    }
    return null;
  }

  private static boolean mayUseAnIdleOne(DispatchUnit unit, Pcpu[] cpus) {
    for (Pcpu cpu : cpus) {
      if (cpu.toldToIdle && unit.affinity().contains(cpu.index)) {
        return true;
      }
    }
    return false;
  }
}
