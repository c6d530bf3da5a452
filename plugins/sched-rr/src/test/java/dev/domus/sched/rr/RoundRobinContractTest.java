package dev.domus.sched.rr;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.SchedulerContract;

class RoundRobinContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new RoundRobinFactory();
  }

  @Override
  protected boolean claimsWeights() {
    return false;
  }

  @Override
  protected boolean claimsCaps() {
    return false;
  }
}
