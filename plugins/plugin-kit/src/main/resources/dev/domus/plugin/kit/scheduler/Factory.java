package @PACKAGE@;

import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;

/** {@code @NAME@}, as users find it. */
public final class @CLASS@Factory implements SchedulerFactory {
  private static final String SLICE = "slice";

  /** Made once, by the plugin host. */
  public @CLASS@Factory() {}

  @Override
  public String name() {
    return "@NAME@";
  }

  @Override
  public String description() {
    return "equal turns, one after the other";
  }

  @Override
  public List<SchedParameter> parameters() {
    return List.of(
        new SchedParameter.Numeric(SLICE, "us", 100, 100_000, 10_000, "length of a turn"));
  }

  @Override
  public Scheduler create(SchedPool pool, SchedParameters values) {
    return new @CLASS@Scheduler(pool, values.get(SLICE) * 1_000);
  }
}
