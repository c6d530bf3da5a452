package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayDeque;
import java.util.List;
import java.util.function.Function;

/** Makes schedulers for tests: a plain FIFO, or what a test makes of it. */
class FifoFactory implements SchedulerFactory {
  private final String name;
  private final Function<SchedPool, Scheduler> create;

  FifoFactory(String name) {
    this(name, Fifo::new);
  }

  FifoFactory(String name, Function<SchedPool, Scheduler> create) {
    this.name = name;
    this.create = create;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String description() {
    return "for tests";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of();
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return create.apply(pool);
  }

  /** One queue; everybody is tickled. Keeps something in the data slot to see that it is kept. */
  static class Fifo implements Scheduler {
    final SchedPool pool;
    final ArrayDeque<SchedUnit> queue = new ArrayDeque<>();

    Fifo(SchedPool pool) {
      this.pool = pool;
    }

    @Override
    public void insert(SchedUnit unit, long nowNanos) {
      expect(unit.data() == null, "a data slot is clear before insert");
      unit.data(this);
      if (unit.runnable()) {
        queue.add(unit);
      }
    }

    @Override
    public void remove(SchedUnit unit, long nowNanos) {
      checkData(unit);
    }

    @Override
    public void wake(SchedUnit unit, long nowNanos) {
      checkData(unit);
      queue.add(unit);
      for (int pcpu = 0; pcpu < pool.pcpus(); pcpu++) {
        pool.tickle(pcpu);
      }
    }

    @Override
    public void sleep(SchedUnit unit, long nowNanos) {
      checkData(unit);
      expect(queue.remove(unit), "only a waiting unit goes to sleep");
    }

    @Override
    public void pick(int pcpu, long nowNanos, Decision decision) {
      SchedUnit unit = null;
      for (SchedUnit waiting : queue) {
        if (waiting.affinity().contains(pcpu)) {
          unit = waiting;
          break;
        }
      }
      queue.remove(unit);
      if (unit == null) {
        decision.idle();
      } else {
        checkData(unit);
        decision.run(unit, 1_000_000);
      }
    }

    @Override
    public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
      checkData(unit);
      if (reason != PutReason.SLEPT) {
        queue.add(unit);
      }
    }

    private void checkData(SchedUnit unit) {
      expect(unit.data() == this, "a data slot keeps what was put there");
    }

    private static void expect(boolean condition, String what) {
      if (!condition) {
        throw new AssertionError("the kernel broke its side: " + what);
      }
    }
  }
}
