package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.domain.Vcpu;

/**
 * platform_op (7): the machine's firmware, clock and processors, none of which are a domain's to
 * command. Checked as domctl and sysctl are: readable, interface version, privilege; what then
 * remains does not exist.
 */
final class PlatformOp implements Hypercall {
  private static final Subops SUBOPS =
      Subops.refused("there is no firmware, and clock and processors are the host's");
  private static final int INTERFACE_VERSION = 0x03000001;
  private static final int SIZE = 136;
  private static final int VERSION = 4;

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long op, long a2, long a3, long a4, long a5) {
    v.guest().requireReadable(op, SIZE);
    int command = v.guest().getInt(op);
    if (v.guest().getInt(op + VERSION) != INTERFACE_VERSION) {
      return -Errno.EACCES;
    }
    int refusal =
        v.domain()
            .hypervisor()
            .access()
            .check(Operation.PLATFORM_OP, v.domain().domid(), Domid.XEN, command);
    return refusal != 0 ? refusal : -Errno.ENOSYS;
  }
}
