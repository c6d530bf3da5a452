package dev.domus.sched.nullsched;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code null}: each vCPU has a pCPU of its own, or waits for one. */
public final class NullFactory implements SchedulerFactory {
  @Override
  public String name() {
    return "null";
  }

  @Override
  public String description() {
    return "null: a pCPU for each vCPU, as long as there are any";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of();
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return new NullScheduler(pool);
  }
}
