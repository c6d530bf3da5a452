package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;

/**
 * Unwinds a hypercall whose arguments could not be read or written: the guest gets the error
 * number. Thrown only before a hypercall has had an effect, or where a batch stops. There is one
 * object for each error, without a stack trace, so that a guest cannot make the hypervisor
 * allocate.
 */
public final class GuestFault extends RuntimeException {
  /** A guest address that is not mapped, not writable, or not the guest's to name. */
  public static final GuestFault EFAULT = new GuestFault(Errno.EFAULT);

  private static final long serialVersionUID = 1L;

  private final int errno;

  private GuestFault(int errno) {
    super("guest fault errno=" + errno, null, false, false);
    this.errno = errno;
  }

  /** The positive error number. */
  public int errno() {
    return errno;
  }
}
