package dev.domus.sched.simulator;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * EDF, or fixed priorities by period (rate-monotonic), as the textbooks have them: preemptive, one
 * pCPU, a job is from wake-up to sleep. Of it theory says exactly when deadlines are kept.
 */
final class EarliestDeadlineFirst implements SchedulerFactory {
  private static final String PERIOD = "period";

  private final boolean byPeriod;

  private EarliestDeadlineFirst(boolean byPeriod) {
    this.byPeriod = byPeriod;
  }

  static SchedulerFactory edf() {
    return new EarliestDeadlineFirst(false);
  }

  static SchedulerFactory rateMonotonic() {
    return new EarliestDeadlineFirst(true);
  }

  @Override
  public String name() {
    return byPeriod ? "rm" : "edf";
  }

  @Override
  public String description() {
    return "a textbook's";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of();
  }

  @Override
  public List<SchedParameter> unitParameters() {
    return List.of(new SchedParameter.Numeric(PERIOD, "us", 1, 10_000_000, 10_000, "period"));
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return new Queue(pool);
  }

  private static final class Job {
    private final SchedUnit unit;
    private final long periodNanos;
    private long deadlineNanos;

    Job(SchedUnit unit, long periodNanos) {
      this.unit = unit;
      this.periodNanos = periodNanos;
    }
  }

  private final class Queue implements Scheduler {
    private final SchedPool pool;
    private final List<Job> waiting = new ArrayList<>();

    Queue(SchedPool pool) {
      this.pool = pool;
    }

    @Override
    public void insert(SchedUnit unit, long nowNanos) {
      unit.data(new Job(unit, unit.parameters(EarliestDeadlineFirst.this).get(PERIOD) * 1_000));
    }

    @Override
    public void remove(SchedUnit unit, long nowNanos) {}

    @Override
    public void wake(SchedUnit unit, long nowNanos) {
      Job job = (Job) unit.data();
      job.deadlineNanos = nowNanos + job.periodNanos;
      waiting.add(job);
      pool.tickle(0);
    }

    @Override
    public void sleep(SchedUnit unit, long nowNanos) {
      waiting.remove((Job) unit.data());
    }

    @Override
    public void pick(int pcpu, long nowNanos, Decision decision) {
      Comparator<Job> order =
          Comparator.comparingLong(job -> byPeriod ? job.periodNanos : job.deadlineNanos);
      waiting.stream()
          .min(order)
          .ifPresentOrElse(
              first -> {
                waiting.remove(first);
                decision.run(first.unit, Decision.MAX_SLICE_NANOS);
              },
              decision::idle);
    }

    @Override
    public void put(SchedUnit unit, int pcpu, PutReason reason, long ran, long nowNanos) {
      if (reason != PutReason.SLEPT) {
        waiting.add((Job) unit.data());
      }
    }
  }
}
