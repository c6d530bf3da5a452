package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;

/**
 * What a guest domain is answered on the interfaces that only a privileged domain may use: the
 * errors, in the order in which Xen checks (xen-pv-abi.md, 14). Domain 0 is a service domain and
 * reaches these operations through {@link dev.domus.kernel.control.Control}.
 */
final class Privileged {
  private static final int INTERFACE_VERSION = 0x15;
  private static final int XENPF_INTERFACE_VERSION = 0x03000001;

  /** Sizes of the argument structures in bytes: Xen copies them whole before it looks at them. */
  private static final int XENPF_SIZE = 136, SYSCTL_SIZE = 136, DOMCTL_SIZE = 144;

  /** What there is of each for a guest. */
  static final Subops UNPRIVILEGED =
      Subops.refused("for domain 0, a service domain, which has the typed interface");

  private Privileged() {}

  static long platformOp(Vcpu v, long op, long a2, long a3, long a4, long a5) {
    return versioned(v, op, XENPF_SIZE, XENPF_INTERFACE_VERSION);
  }

  static long sysctl(Vcpu v, long op, long a2, long a3, long a4, long a5) {
    return versioned(v, op, SYSCTL_SIZE, INTERFACE_VERSION);
  }

  static long domctl(Vcpu v, long op, long a2, long a3, long a4, long a5) {
    return versioned(v, op, DOMCTL_SIZE, INTERFACE_VERSION);
  }

  private static long versioned(Vcpu v, long op, int size, int version) {
    v.guest().requireReadable(op, size);
    return v.guest().getInt(op + 4) != version ? -Errno.EACCES : -Errno.EPERM;
  }
}
