package dev.domus.sched.chaos;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import java.util.Map;
import java.util.Set;

/** Delays and another order are allowed: nothing is lost by them. */
class AllowedChaosContractTest extends SchedulerContract {
  @Override
  protected SchedulerFactory factory() {
    return new ChaosFactory();
  }

  @Override
  protected Map<String, String> parameters(int pcpus) {
    return Map.of("delay", "100000", "reorder", "300000");
  }

  @Override
  protected Set<Claim> claims() {
    return Set.of(Claim.SHARES_PCPUS);
  }
}
