package dev.domus.sched.contract;

import dev.domus.kernel.sched.SchedulerFactory;
import java.util.EnumSet;
import java.util.Set;

/** A scheduler that is right passes. */
class ReferenceFifoTest extends SchedulerContract {
  static final Set<Claim> CLAIMS =
      EnumSet.of(Claim.WORK_CONSERVING, Claim.EQUAL_SHARES, Claim.SHARES_PCPUS);

  @Override
  protected SchedulerFactory factory() {
    return ReferenceFifo.FACTORY;
  }

  @Override
  protected Set<Claim> claims() {
    return CLAIMS;
  }
}
