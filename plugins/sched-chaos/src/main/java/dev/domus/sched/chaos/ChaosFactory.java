package dev.domus.sched.chaos;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.List;

/** {@code chaos}: equal turns, and misdeeds by probability. */
public final class ChaosFactory implements SchedulerFactory {
  private static final String SEED = "seed", DELAY_TIME = "delay-time", HANG_TIME = "hang-time";

  @Override
  public String name() {
    return "chaos";
  }

  @Override
  public String description() {
    return "chaos: for tests; delays, reorders and misbehaves with given probabilities";
  }

  @Override
  public List<SchedParameter> parameters() {
    List<SchedParameter> all = new ArrayList<>();
    for (Misdeed misdeed : Misdeed.values()) {
      all.add(misdeed.parameter());
    }
    all.add(
        new SchedParameter.Numeric(DELAY_TIME, "us", 10, 1_000_000, 500, "how long a delay takes"));
    all.add(new SchedParameter.Numeric(HANG_TIME, "ms", 1, 60_000, 500, "how long a call hangs"));
    all.add(
        new SchedParameter.Numeric(SEED, "", 0, Long.MAX_VALUE, 1, "seed of all that is random"));
    return List.copyOf(all);
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    long[] ppm = new long[Misdeed.values().length];
    for (Misdeed misdeed : Misdeed.values()) {
      ppm[misdeed.ordinal()] = values.get(misdeed.parameter().name());
    }
    return new Chaos(
        pool,
        new Dice(values.get(SEED), ppm),
        values.get(DELAY_TIME) * 1_000,
        values.get(HANG_TIME) * 1_000_000);
  }
}
