package dev.domus.kernel.memory;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;

/** The domain that a memory_op names, and whether the caller may do that to it. */
final class TargetMemory {
  private TargetMemory() {}

  /** The domain, or null if there is no such one. */
  static Domain domain(Vcpu v, int domid) {
    return isOwn(v, domid) ? v.domain() : v.domain().hypervisor().anyDomain(domid);
  }

  /**
   * Asks whether the caller may.
   *
   * @param command the memory_op
   * @return 0, −ESRCH or −EPERM
   */
  static int error(Vcpu v, int domid, Operation operation, int command) {
    if (isOwn(v, domid)) {
      return 0;
    }
    Hypervisor hypervisor = v.domain().hypervisor();
    return hypervisor.events(domid).isEmpty()
        ? -Errno.ESRCH
        : hypervisor.access().check(operation, v.domain().domid(), domid, command);
  }

  private static boolean isOwn(Vcpu v, int domid) {
    return domid == Domid.SELF || domid == v.domain().domid();
  }
}
