package dev.domus.sched.eevdf;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.SchedulerContract;

class EevdfContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new EevdfFactory();
  }

  @Override
  protected boolean claimsWeights() {
    return true;
  }

  @Override
  protected boolean claimsCaps() {
    return false;
  }
}
