package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.SchedulerFactory;

/** A scheduler for tests of other packages: the built-in round-robin. */
public final class TestSchedulers {
  private TestSchedulers() {}

  /** The built-in round-robin as an ordinary scheduler. */
  public static SchedulerFactory roundRobin() {
    return LastResort.FACTORY;
  }
}
