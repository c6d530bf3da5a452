package dev.domus.kernel.dispatch;

import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * Watches all schedulers of a dispatcher from a thread of its own, which never runs plugin code.
 *
 * <p><b>Overlong calls.</b> A call that is still in progress after {@link
 * DispatchLimits#decisionNanos} and {@value DispatchLimits#DECISION_TICKS} ticks is suspect, and
 * loses its pool if its thread waits for something, or goes on to use up host CPU time. On a host
 * with more to do than CPUs a thread may be without one for that long, anywhere; that is nobody's
 * fault, and only {@value #PATIENCE} times the limit is too much for that as well (a native call
 * that waits looks the same).
 *
 * <p><b>Starvation.</b> Wall time is no measure: on a busy host nobody runs for a while, and that
 * is not the scheduler's fault. What is measured is the CPU time that the pool gave to others since
 * the unit began to wait. A fair scheduler lets a unit wait for about one round of the others'
 * slices, longer if its weight or its cap is small; so it starves if it has waited for
 *
 * <pre>
 *    starvationNanos × (runnable units + sum of their weights / its weight) × (100 / cap, if cap &lt; 100)
 * </pre>
 *
 * of CPU time, and on top of that what its scheduler says that its operator wants ({@link
 * dev.domus.kernel.sched.SchedUnit#mayWaitNanos}). With the default of 250 ms that is several times
 * what any honest scheduler needs. If a pCPU that it may use was told to idle meanwhile, each tick
 * counts as well: then nobody runs, and the unit was forgotten.
 *
 * <p>On a deterministic machine it judges nobody, since its verdicts depend on the host: a
 * scheduler that hangs hangs every time, and can be looked at.
 */
final class Watchdog implements Runnable {
  /** Host CPU time used in one call, on top of the limit: ten thousand calls' worth. */
  private static final long PROOF_NANOS = 5_000_000;

  private static final int PATIENCE = 20;

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
      if (!dispatcher.clock().isVirtual()) {
        checkAll();
      }
      dispatcher.deliverFaults();
    }
    dispatcher.deliverFaults();
  }

  private void checkAll() {
    for (Pool pool : dispatcher.pools()) {
      for (Seat seat : pool.seats()) {
        checkCall(seat);
        seat.checkStarvation(limits);
      }
    }
  }

  private void checkCall(Seat seat) {
    PoolLock lock = seat.lock();
    Suspicion suspicion = seat.suspicion;
    long call = lock.callInProgress();
    long now = System.nanoTime();
    if (call == 0 || call != suspicion.call || lock != suspicion.lock) {
      suspicion.begin(lock, call, now);
      return;
    }
    long took = now - suspicion.sinceNanos;
    if (++suspicion.ticks >= DispatchLimits.DECISION_TICKS && took > limits.decisionNanos()) {
      Thread holder = lock.owner();
      if (holder != null
          && (suspicion.isProved(holder) || took > PATIENCE * limits.decisionNanos())) {
        seat.giveUpOn(call, took);
      }
    }
  }

  /** What the watchdog has noted about a run queue. Its thread only. */
  static final class Suspicion {
    private PoolLock lock;
    private long call;
    private int ticks;
    private long sinceNanos;
    private long cpuNanos;

    private void begin(PoolLock newLock, long newCall, long nowNanos) {
      lock = newLock;
      call = newCall;
      ticks = 0;
      sinceNanos = nowNanos;
      cpuNanos = -1;
    }

    private boolean isProved(Thread holder) {
      if (holder.getState() != Thread.State.RUNNABLE) {
        return true;
      }
      // Asked for here and not earlier: it takes the JVM a while to load the management classes.
      long cpu = ManagementFactory.getThreadMXBean().getThreadCpuTime(holder.threadId());
      if (cpuNanos < 0) {
        cpuNanos = cpu;
      }
      return cpu - cpuNanos >= PROOF_NANOS;
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
        // All pCPUs run while it waits.
        long wanted = Math.min(unit.mayWaitNanos(), Long.MAX_VALUE / 2 / cpus.length);
        if (waited > limit + wanted * cpus.length
            || unit.idleTicks * limits.tickNanos() > limit + wanted) {
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
