package dev.domus.sched.contract;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.List;

/**
 * The simplest scheduler that could be right, in as few lines as possible and with no care for
 * cost: the other side of every handover, and the baseline of comparisons.
 */
public class ReferenceFifo implements Scheduler {
  /** Its factory. */
  public static final SchedulerFactory FACTORY =
      new SchedulerFactory() {
        @Override
        public String name() {
          return "reference-fifo";
        }

        @Override
        public String description() {
          return "a list";
        }

        @Override
        public List<SchedParameter> parameters() {
          return List.of();
        }

        @Override
        public Scheduler create(SchedPool pool, SchedParameters values) {
          return new ReferenceFifo(pool);
        }
      };

  private static final long SLICE_NANOS = 10_000_000;

  private final SchedPool pool;
  private final List<SchedUnit> queue = new ArrayList<>();
  private final boolean[] idle;

  /** For a pool. */
  public ReferenceFifo(SchedPool pool) {
    this.pool = pool;
    this.idle = new boolean[pool.pcpus()];
  }

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    if (unit.runnable()) {
      queue.add(unit);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {}

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    queue.add(unit);
    tickleIdle();
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    queue.remove(unit);
  }

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    for (SchedUnit unit : queue) {
      if (unit.affinity().contains(pcpu)) {
        queue.remove(unit);
        idle[pcpu] = false;
        decision.run(unit, SLICE_NANOS);
        return;
      }
    }
    idle[pcpu] = true;
    decision.idle();
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    if (reason != PutReason.SLEPT) {
      queue.add(unit);
      tickleIdle();
    }
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    tickleIdle();
  }

  /** For a mutant that favours somebody. */
  void moveToFront(SchedUnit unit) {
    queue.remove(unit);
    queue.addFirst(unit);
  }

  private void tickleIdle() {
    for (int pcpu = 0; pcpu < idle.length; pcpu++) {
      if (idle[pcpu]) {
        pool.tickle(pcpu);
      }
    }
  }
}
