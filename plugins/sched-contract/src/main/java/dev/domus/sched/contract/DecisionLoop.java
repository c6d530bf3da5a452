package dev.domus.sched.contract;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.Map;

/**
 * What decisions cost, without a dispatcher or a simulator around them: one pCPU picks, the unit
 * uses its slice up in virtual time, and is put; every third falls asleep, and one is woken.
 * Allocates nothing itself.
 */
public final class DecisionLoop implements SchedPool {
  /** Where nothing is to be run: not much of the time of a busy pool. */
  private static final long IDLE_NANOS = 100_000;

  private final Object shared;
  private final Scheduler scheduler;
  private final SimUnit[] units;
  private final Decision decision = new Decision();
  private long nowNanos;
  private int next;

  /** A pool of one pCPU, whose units belong to as many domains, all asleep. */
  public DecisionLoop(SchedulerFactory factory, Map<String, String> parameters, int n) {
    SchedParameters values = SchedParameters.check(factory, parameters);
    shared = factory.createShared(values);
    scheduler = factory.create(this, values);
    units = new SimUnit[n];
    for (int i = 0; i < n; i++) {
      Workload workload = Workload.cpuBound();
      units[i] = new SimUnit(() -> nowNanos, i, 0, 256, SchedUnit.NO_CAP, CpuMask.ALL, workload);
      scheduler.insert(units[i], nowNanos);
    }
  }

  /** Wakes all up, so that whatever they do later all but a few wait. */
  public void wakeAll() {
    for (SimUnit unit : units) {
      wake(unit);
    }
  }

  /** Makes decisions. */
  public void run(int decisions) {
    for (int i = 0; i < decisions; i++) {
      next = next + 1 == units.length ? 0 : next + 1;
      wake(units[next]);
      decision.reset();
      scheduler.pick(0, nowNanos, decision);
      if (decision.isIdle()) {
        nowNanos = Math.min(decision.idleUntilNanos(), nowNanos + IDLE_NANOS);
        continue;
      }
      SimUnit unit = (SimUnit) decision.unit();
      nowNanos += decision.sliceNanos();
      PutReason reason = i % 3 == 0 ? PutReason.SLEPT : PutReason.EXPIRED;
      unit.runnable = reason != PutReason.SLEPT;
      unit.lastPcpu = 0;
      scheduler.put(unit, 0, reason, decision.sliceNanos(), nowNanos);
    }
  }

  private void wake(SimUnit unit) {
    if (!unit.runnable) {
      unit.runnable = true;
      scheduler.wake(unit, nowNanos);
    }
  }

  @Override
  public String name() {
    return "loop";
  }

  @Override
  public int pcpus() {
    return 1;
  }

  @Override
  public Object shared() {
    return shared;
  }

  @Override
  public void tickle(int pcpu) {}
}
