package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;

/**
 * console_io (18): the hypervisor's own console, which unprivileged domains may not use, as in a
 * release build of Xen. They have a console ring.
 */
final class ConsoleIo implements Hypercall {
  private static final int WRITE = 0, READ = 1;

  @Override
  public long call(Vcpu v, long command, long count, long buffer, long a4, long a5) {
    return command == WRITE || command == READ ? -Errno.EPERM : -Errno.ENOSYS;
  }
}
