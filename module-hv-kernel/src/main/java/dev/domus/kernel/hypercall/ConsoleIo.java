package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;

/**
 * console_io (18): the hypervisor's own console, which unprivileged domains may not use, as in a
 * release build of Xen: refused before command, count or buffer is looked at. They have a console
 * ring.
 */
final class ConsoleIo implements Hypercall {
  @Override
  public long call(Vcpu v, long command, long count, long buffer, long a4, long a5) {
    return -Errno.EPERM;
  }
}
