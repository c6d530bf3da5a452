package dev.domus.sched.credit;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code credit}: shares in proportion to weights, work conserving, with caps. */
public final class CreditFactory implements SchedulerFactory {
  private static final String TSLICE = "tslice";

  @Override
  public String name() {
    return "credit";
  }

  @Override
  public String description() {
    return "credit: shares in proportion to weights, caps, boost for those who wake up";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of(
        new SchedParameter.Numeric(
            TSLICE, "ms", 1, 1_000, 30, "longest slice, and shortest accounting period"));
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return new Credit(pool, values.get(TSLICE) * 1_000_000);
  }
}
