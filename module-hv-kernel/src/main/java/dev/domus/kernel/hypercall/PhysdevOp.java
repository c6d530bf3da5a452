package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;

/**
 * physdev_op (33) of a domain without physical devices: its virtual IOPL and I/O bitmap; the rest
 * is refused.
 */
final class PhysdevOp implements Hypercall {
  private static final int SET_IOPL = 6,
      SET_IOBITMAP = 7,
      APIC_READ = 8,
      APIC_WRITE = 9,
      ALLOC_IRQ_VECTOR = 10;
  private static final int MAP_PIRQ = 13,
      UNMAP_PIRQ = 14,
      MANAGE_PCI_ADD = 15,
      MANAGE_PCI_REMOVE = 16;
  private static final int MAX_PORTS = 65536;

  @Override
  public long call(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    return switch ((int) command) {
      case SET_IOPL -> setIopl(v, arg);
      case SET_IOBITMAP -> setIobitmap(v, arg);
      case APIC_READ, APIC_WRITE, ALLOC_IRQ_VECTOR, MAP_PIRQ, UNMAP_PIRQ -> -Errno.EPERM;
      case MANAGE_PCI_ADD, MANAGE_PCI_REMOVE -> -Errno.EPERM;
      default -> -Errno.ENOSYS;
    };
  }

  private static long setIopl(Vcpu v, long arg) {
    int iopl = v.guest().getInt(arg);
    if (iopl < 0 || iopl > 3) {
      return -Errno.EINVAL;
    }
    v.traps().setIopl(iopl);
    return 0;
  }

  private static long setIobitmap(Vcpu v, long arg) {
    long bitmap = v.guest().getLong(arg);
    int ports = v.guest().getInt(arg + 8);
    if (ports < 0 || ports > MAX_PORTS) {
      return -Errno.EINVAL;
    }
    v.traps().setIobitmap(bitmap, ports);
    return 0;
  }
}
