package dev.domus.sched.eevdf;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import java.util.EnumSet;
import java.util.Set;

class EevdfContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new EevdfFactory();
  }

  @Override
  protected Set<Claim> claims() {
    return EnumSet.complementOf(EnumSet.of(Claim.CAPS));
  }
}
