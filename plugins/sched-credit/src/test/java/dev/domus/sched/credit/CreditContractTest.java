package dev.domus.sched.credit;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import java.util.EnumSet;
import java.util.Set;

class CreditContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new CreditFactory();
  }

  @Override
  protected Set<Claim> claims() {
    return EnumSet.allOf(Claim.class);
  }
}
