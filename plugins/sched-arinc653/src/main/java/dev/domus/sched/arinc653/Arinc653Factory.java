package dev.domus.sched.arinc653;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code arinc653}: windows in a fixed major frame. */
public final class Arinc653Factory implements SchedulerFactory {
  private static final String SCHEDULE = "schedule";

  @Override
  public String name() {
    return "arinc653";
  }

  @Override
  public String description() {
    return "ARINC 653: a fixed table of windows, repeated";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of(
        new SchedParameter.Text(
            SCHEDULE,
            FrameTable.FORM,
            "",
            "the major frame: a row of windows for each pCPU; there is no default"));
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    FrameTable table = FrameTable.parse(values.text(SCHEDULE));
    if (table.rows().size() != pool.pcpus()) {
      throw new IllegalArgumentException(
          "arinc653 needs a row of windows for each pCPU of pool %s: rows=%d pcpus=%d"
              .formatted(pool.name(), table.rows().size(), pool.pcpus()));
    }
    return new Arinc653(pool, table);
  }
}
