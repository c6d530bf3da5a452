package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/**
 * The built-in round-robin: what runs a pool whose scheduler was put off it. The only scheduler in
 * the kernel, and mechanism: it keeps guests running and has nothing to tune. It honours affinity,
 * which is a promise, and not weight and cap, which are policy.
 *
 * <p>One FIFO queue, linked through the units themselves and not through their data slots, which a
 * hung plugin may still write. A wake-up tickles one idle pCPU; nobody is preempted.
 */
final class LastResort implements Scheduler {
  /** Its factory, also for pools that are to start without a plugin. */
  static final SchedulerFactory FACTORY =
      new SchedulerFactory() {
        @Override
        public String name() {
          return "last-resort";
        }

        @Override
        public String description() {
          return "built-in round-robin, for pools whose scheduler failed";
        }

        @Override
        public List<SchedParameter> parameters() {
          return List.of();
        }

        @Override
        public Scheduler create(SchedPool pool, SchedParameters values) {
          return new LastResort(pool);
        }
      };

  /** Short enough for a console, long enough that switching costs nothing. */
  private static final long SLICE_NANOS = 10_000_000;

  private final SchedPool pool;
  private final boolean[] idle;
  private DispatchUnit first;
  private DispatchUnit last;

  LastResort(SchedPool pool) {
    this.pool = pool;
    this.idle = new boolean[pool.pcpus()];
  }

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    DispatchUnit u = (DispatchUnit) unit;
    u.hasTurn = false;
    u.nextInTurn = null;
    if (u.runnable() && u.runningOn() < 0) {
      append(u);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    unlink((DispatchUnit) unit);
  }

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    append((DispatchUnit) unit);
    tickleIdle(unit);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    unlink((DispatchUnit) unit);
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    if (reason != PutReason.SLEPT) {
      append((DispatchUnit) unit);
      if (first != unit || !unit.affinity().contains(pcpu)) {
        tickleIdle(unit); // an idle pCPU may be allowed this one, and not those in front of it
      }
    }
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    if (((DispatchUnit) unit).hasTurn) {
      tickleIdle(unit);
    }
  }

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    for (DispatchUnit u = first; u != null; u = u.nextInTurn) {
      if (u.affinity().contains(pcpu)) {
        unlink(u);
        idle[pcpu] = false;
        decision.run(u, SLICE_NANOS);
        return;
      }
    }
    idle[pcpu] = true;
    decision.idle();
  }

  private void tickleIdle(SchedUnit unit) {
    for (int pcpu = 0; pcpu < idle.length; pcpu++) {
      if (idle[pcpu] && unit.affinity().contains(pcpu)) {
        idle[pcpu] = false;
        pool.tickle(pcpu);
        return;
      }
    }
  }

  private void append(DispatchUnit u) {
    if (u.hasTurn) {
      return;
    }
    u.hasTurn = true;
    u.nextInTurn = null;
    if (last == null) {
      first = u;
    } else {
      last.nextInTurn = u;
    }
    last = u;
  }

  private void unlink(DispatchUnit u) {
    if (!u.hasTurn) {
      return;
    }
    DispatchUnit before = null;
    for (DispatchUnit v = first; v != null; before = v, v = v.nextInTurn) {
      if (v == u) {
        if (before == null) {
          first = u.nextInTurn;
        } else {
          before.nextInTurn = u.nextInTurn;
        }
        if (last == u) {
          last = before;
        }
        break;
      }
    }
    u.hasTurn = false;
    u.nextInTurn = null;
  }
}
