package dev.domus.sched.rr;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code rr}: equal turns for all, whatever their weights. */
public final class RoundRobinFactory implements SchedulerFactory {
  private static final String SLICE = "slice";

  @Override
  public String name() {
    return "rr";
  }

  @Override
  public String description() {
    return "round-robin: equal turns, blind to weights and caps";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of(
        new SchedParameter.Numeric(SLICE, "us", 100, 1_000_000, 10_000, "length of a turn"));
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return new RoundRobin(pool, values.get(SLICE) * 1_000);
  }
}
