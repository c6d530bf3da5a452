package @PACKAGE@;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import java.util.EnumSet;
import java.util.Set;

/** What all schedulers promise, and what this one claims besides. */
class @CLASS@ContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new @CLASS@Factory();
  }

  @Override
  protected Set<Claim> claims() {
    return EnumSet.of(Claim.WORK_CONSERVING, Claim.EQUAL_SHARES, Claim.SHARES_PCPUS);
  }
}
