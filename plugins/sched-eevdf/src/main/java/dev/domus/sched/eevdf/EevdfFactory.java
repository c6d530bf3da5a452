package dev.domus.sched.eevdf;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code eevdf}: fair shares by weight, with a latency that each unit can ask for. */
public final class EevdfFactory implements SchedulerFactory {
  private static final String SLICE = "slice", RUN_QUEUES = "run-queues";
  private static final String ONE = "pool", ONE_A_PCPU = "pcpu";

  @Override
  public String name() {
    return "eevdf";
  }

  @Override
  public String description() {
    return "earliest eligible virtual deadline first: fair by weight, latency by slice";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of(
        new SchedParameter.Numeric(
            SLICE, "us", 100, 100_000, 3_000, "slice of units that ask for none"),
        new SchedParameter.Choice(
            RUN_QUEUES, List.of(ONE, ONE_A_PCPU), ONE, "one run queue, or one a pCPU as in Linux"));
  }

  @Override
  public List<SchedParameter> unitParameters() {
    return List.of(
        new SchedParameter.Numeric(
            SLICE, "us", 0, 100_000, 0, "slice asked for: the shorter, the sooner; 0: the pool's"));
  }

  @Override
  public int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
    return values.text(RUN_QUEUES).equals(ONE_A_PCPU) ? pcpu : 0;
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return new Eevdf(pool, this, values.get(SLICE) * 1_000);
  }

  /** The slice that a unit asks for, in nanoseconds; 0 if it asks for none. */
  long sliceOf(SchedParameters values) {
    return values.get(SLICE) * 1_000;
  }
}
