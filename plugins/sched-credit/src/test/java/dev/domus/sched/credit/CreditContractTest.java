package dev.domus.sched.credit;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.SchedulerContract;

class CreditContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new CreditFactory();
  }

  @Override
  protected boolean claimsWeights() {
    return true;
  }

  @Override
  protected boolean claimsCaps() {
    return true;
  }
}
