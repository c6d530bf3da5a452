package dev.domus.sched.rr;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import java.util.EnumSet;
import java.util.Set;

class RoundRobinContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new RoundRobinFactory();
  }

  @Override
  protected Set<Claim> claims() {
    return EnumSet.of(Claim.WORK_CONSERVING, Claim.EQUAL_SHARES, Claim.SHARES_PCPUS);
  }
}
