package dev.domus.sched.credit2;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code credit2}: shares by weight, low latency, caps; scales by run queues. */
public final class Credit2Factory implements SchedulerFactory {
  private static final String RATELIMIT = "ratelimit", MIGRATE_RESIST = "migrate-resist";
  private static final String RUN_QUEUES = "run-queues", GROUP_SIZE = "group-size";
  private static final String LOAD_WINDOW = "load-window";
  private static final String OVERLOAD = "overload-tolerance", UNDERLOAD = "underload-tolerance";

  @Override
  public String name() {
    return "credit2";
  }

  @Override
  public String description() {
    return "credit2: shares by weight, caps, low latency, run queues balanced by load";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of(
        new SchedParameter.Numeric(
            RATELIMIT, "us", 0, 500_000, 1_000, "how long a unit runs before it is preempted"),
        new SchedParameter.Numeric(
            MIGRATE_RESIST,
            "us",
            0,
            100_000,
            500,
            "lead in credit that moves a unit to another pCPU"),
        new SchedParameter.Choice(
            RUN_QUEUES,
            List.of("pcpu", "group", "all"),
            "group",
            "one run queue a pCPU, a group of pCPUs, or for all of the pool"),
        new SchedParameter.Numeric(
            GROUP_SIZE, "", 1, 1_024, 16, "pCPUs in a run queue, where run-queues=group"),
        new SchedParameter.Numeric(
            LOAD_WINDOW, "ms", 10, 60_000, 1_000, "over how long a run queue's load is averaged"),
        new SchedParameter.Numeric(
            OVERLOAD,
            "percent",
            0,
            1_000,
            12,
            "difference in load of a pCPU that is let be, where one queue has more than it can do"),
        new SchedParameter.Numeric(UNDERLOAD, "percent", 0, 1_000, 100, "the same where none has"));
  }

  @Override
  public int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
    return switch (values.text(RUN_QUEUES)) {
      case "pcpu" -> pcpu;
      case "group" -> pcpu / (int) values.get(GROUP_SIZE);
      default -> 0;
    };
  }

  @Override
  public Object createShared(SchedParameters values) {
    return new Caps();
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return new Credit2(
        pool,
        (Caps) pool.shared(),
        values.get(RATELIMIT) * 1_000,
        values.get(MIGRATE_RESIST) * 1_000,
        new Balance(
            values.get(LOAD_WINDOW) * 1_000_000, values.get(OVERLOAD), values.get(UNDERLOAD)));
  }
}
