package dev.domus.sched.simulator;

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

/** Schedulers that do one thing wrong each, and otherwise are a FIFO. */
public final class Misfits {
  private Misfits() {}

  public static final SchedulerFactory THROWS =
      factory(
          "throws",
          pool ->
              new Fifo(pool) {
                @Override
                public void put(
                    SchedUnit unit, int pcpu, PutReason reason, long ran, long nowNanos) {
                  throw new IllegalStateException("tired");
                }
              });

  public static final SchedulerFactory PICKS_SLEEPERS =
      factory(
          "picks-sleepers",
          pool ->
              new Fifo(pool) {
                @Override
                public void insert(SchedUnit unit, long nowNanos) {
                  queue.add(unit);
                }
              });

  public static final SchedulerFactory IGNORES_AFFINITY =
      factory(
          "ignores-affinity",
          pool ->
              new Fifo(pool) {
                @Override
                boolean mayRun(SchedUnit unit, int pcpu) {
                  return true;
                }
              });

  public static final SchedulerFactory SLICES_TOO_LONG =
      factory(
          "slices-too-long",
          pool ->
              new Fifo(pool) {
                @Override
                long slice() {
                  return Decision.MAX_SLICE_NANOS + 1;
                }
              });

  public static final SchedulerFactory DECIDES_NOTHING =
      factory(
          "decides-nothing",
          pool ->
              new Fifo(pool) {
                @Override
                public void pick(int pcpu, long nowNanos, Decision decision) {}
              });

  /** Always takes the last to come. */
  public static final SchedulerFactory STARVES =
      factory(
          "starves",
          pool ->
              new Fifo(pool) {
                @Override
                public void put(
                    SchedUnit unit, int pcpu, PutReason reason, long ran, long nowNanos) {
                  if (reason != PutReason.SLEPT) {
                    queue.addFirst(unit);
                  }
                }
              });

  /** Leaves its pCPU idle beside a unit that waits. */
  public static final SchedulerFactory FORGETS =
      factory(
          "forgets",
          pool ->
              new Fifo(pool) {
                @Override
                public void wake(SchedUnit unit, long nowNanos) {}
              });

  public static final SchedulerFactory TICKLES_WITHOUT_END =
      factory(
          "tickles-without-end",
          pool ->
              new Fifo(pool) {
                @Override
                public void pick(int pcpu, long nowNanos, Decision decision) {
                  pool.tickle((pcpu + 1) % pool.pcpus());
                  decision.idle();
                }
              });

  public static final SchedulerFactory HANGS =
      factory(
          "hangs",
          pool ->
              new Fifo(pool) {
                @Override
                public void wake(SchedUnit unit, long nowNanos) {
                  for (; ; ) {
                    Thread.onSpinWait();
                  }
                }
              });

  public static final SchedulerFactory REFUSES =
      factory(
          "refuses",
          pool -> {
            throw new IllegalArgumentException("no table was given");
          });

  private static SchedulerFactory factory(String name, Function<SchedPool, Scheduler> maker) {
    return new SchedulerFactory() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public String description() {
        return "does one thing wrong";
      }

      @Override
      public List<SchedParameter> parameters() {
        return List.of();
      }

      @Override
      public Scheduler create(SchedPool pool, SchedParameters values) {
        return maker.apply(pool);
      }
    };
  }

  private static class Fifo implements Scheduler {
    final ArrayDeque<SchedUnit> queue = new ArrayDeque<>();
    private final SchedPool pool;

    Fifo(SchedPool pool) {
      this.pool = pool;
    }

    boolean mayRun(SchedUnit unit, int pcpu) {
      return unit.affinity().contains(pcpu);
    }

    long slice() {
      return 5_000_000;
    }

    @Override
    public void insert(SchedUnit unit, long nowNanos) {}

    @Override
    public void remove(SchedUnit unit, long nowNanos) {}

    @Override
    public void wake(SchedUnit unit, long nowNanos) {
      queue.addLast(unit);
      for (int pcpu = 0; pcpu < pool.pcpus(); pcpu++) {
        pool.tickle(pcpu);
      }
    }

    @Override
    public void sleep(SchedUnit unit, long nowNanos) {
      queue.remove(unit);
    }

    @Override
    public void pick(int pcpu, long nowNanos, Decision decision) {
      for (SchedUnit unit : queue) {
        if (mayRun(unit, pcpu)) {
          queue.remove(unit);
          decision.run(unit, slice());
          return;
        }
      }
      decision.idle();
    }

    @Override
    public void put(SchedUnit unit, int pcpu, PutReason reason, long ran, long nowNanos) {
      if (reason != PutReason.SLEPT) {
        queue.addLast(unit);
      }
    }
  }
}
