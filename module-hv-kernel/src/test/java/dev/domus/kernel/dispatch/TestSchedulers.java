package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.SchedulerFactory;

/** A scheduler for tests of other packages: the built-in round-robin. */
public final class TestSchedulers {
  private TestSchedulers() {}

  /** The built-in round-robin as an ordinary scheduler. */
  public static SchedulerFactory roundRobin() {
    return LastResort.FACTORY;
  }

  /** One with the shortest slices there can be, so that what is long is preempted often. */
  public static SchedulerFactory impatient() {
    return new FifoFactory(
        "impatient",
        pool ->
            new FifoFactory.Fifo(pool) {
              @Override
              public void pick(int pcpu, long nowNanos, Decision decision) {
                super.pick(pcpu, nowNanos, decision);
                if (!decision.isIdle()) {
                  decision.run(decision.unit(), Decision.MIN_SLICE_NANOS);
                }
              }
            });
  }
}
