package dev.domus.sched.rtds;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code rtds}: each vCPU has a budget in each period. */
public final class RtdsFactory implements SchedulerFactory {
  private static final String PERIOD = "period", BUDGET = "budget", EXTRATIME = "extratime";
  private static final String ADMISSION = "admission";
  private static final long MOST_US = 10_000_000;

  @Override
  public String name() {
    return "rtds";
  }

  @Override
  public String description() {
    return "RTDS: a budget in each period for each vCPU, earliest deadline first on all pCPUs";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of(
        new SchedParameter.Choice(
            ADMISSION,
            List.of("off", "soft", "hard"),
            "off",
            "whether a vCPU gets its reservation if all together are too much: off, always; soft, if "
                + "deadlines are missed by a bounded time; hard, if none is missed"));
  }

  @Override
  public List<SchedParameter> unitParameters() {
    return List.of(
        new SchedParameter.Numeric(PERIOD, "us", 100, MOST_US, 10_000, "period of the reservation"),
        new SchedParameter.Numeric(
            BUDGET, "us", 10, MOST_US, 4_000, "pCPU time in each period; at most the period"),
        new SchedParameter.Flag(
            EXTRATIME, true, "also gets time that no reservation wants; else the budget is a cap"));
  }

  @Override
  public void checkUnit(SchedParameters values) {
    if (values.get(BUDGET) > values.get(PERIOD)) {
      throw new IllegalArgumentException(
          "a budget must not be longer than its period: budget=%d us period=%d us"
              .formatted(values.get(BUDGET), values.get(PERIOD)));
    }
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    Admission admission =
        switch (values.text(ADMISSION)) {
          case "soft" -> Admission.soft(pool.pcpus());
          case "hard" -> Admission.hard(pool.pcpus());
          default -> Admission.off();
        };
    return new Rtds(pool, this, admission);
  }

  static long periodNanos(SchedParameters values) {
    return values.get(PERIOD) * 1_000;
  }

  static long budgetNanos(SchedParameters values) {
    return values.get(BUDGET) * 1_000;
  }

  static boolean extraTime(SchedParameters values) {
    return values.isOn(EXTRATIME);
  }
}
