package dev.domus.kernel.time;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.service.HypercallException;

/**
 * A deterministic machine's time, as those have it who drive the machine.
 *
 * @param clock its clock
 * @param hypervisor the machine
 */
public record DrivenTime(VirtualClock clock, Hypervisor hypervisor) implements VirtualTime {
  @Override
  public long nanos() {
    return hypervisor.clock().systemNanos();
  }

  @Override
  public Stop runUntil(long nanos) {
    return clock.runUntil(nanos);
  }

  @Override
  public void stop() {
    clock.stop();
  }

  @Override
  public void settle() {
    clock.settle();
  }

  @Override
  public String stateHash(int domid) {
    clock.settle();
    Domain domain = hypervisor.domain(domid);
    if (domain == null) {
      throw new HypercallException(Errno.ESRCH, "no such domain: domid=" + domid);
    }
    return StateHash.of(domain);
  }
}
