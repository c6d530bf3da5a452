package dev.domus.sched.chaos;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import java.util.EnumSet;
import java.util.Set;

/** Not asked to misbehave, it does not. */
class ChaosContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new ChaosFactory();
  }

  @Override
  protected Set<Claim> claims() {
    return EnumSet.of(Claim.WORK_CONSERVING, Claim.EQUAL_SHARES, Claim.SHARES_PCPUS);
  }
}
