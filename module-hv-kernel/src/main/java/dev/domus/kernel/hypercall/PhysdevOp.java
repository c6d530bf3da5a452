package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.GuestAccess;
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

  private static final String NO_IRQS = "no domain has physical interrupts";
  private static final String NO_PCI = "no domain has PCI devices";
  private static final Subops SUBOPS =
      Subops.byArgument()
          .absent(5, "irq_status_query", NO_IRQS)
          .done(SET_IOPL, "set_iopl")
          .done(SET_IOBITMAP, "set_iobitmap")
          .refused(APIC_READ, "apic_read", NO_IRQS)
          .refused(APIC_WRITE, "apic_write", NO_IRQS)
          .refused(ALLOC_IRQ_VECTOR, "alloc_irq_vector", NO_IRQS)
          .absent(11, "free_irq_vector", NO_IRQS)
          .absent(12, "eoi", NO_IRQS)
          .refused(MAP_PIRQ, "map_pirq", NO_IRQS)
          .refused(UNMAP_PIRQ, "unmap_pirq", NO_IRQS)
          .refused(MANAGE_PCI_ADD, "manage_pci_add", NO_PCI)
          .refused(MANAGE_PCI_REMOVE, "manage_pci_remove", NO_PCI)
          .absent(17, "pirq_eoi_gmfn_v1", NO_IRQS)
          .absent(19, "restore_msi", NO_PCI)
          .absent(20, "manage_pci_add_ext", NO_PCI)
          .absent(21, "setup_gsi", NO_IRQS)
          .absent(22, "get_nr_pirqs", NO_IRQS)
          .absent(23, "get_free_pirq", NO_IRQS)
          .absent(24, "pci_mmcfg_reserved", NO_PCI)
          .absent(25, "pci_device_add", NO_PCI)
          .absent(26, "pci_device_remove", NO_PCI)
          .absent(27, "restore_msi_ext", NO_PCI)
          .absent(28, "pirq_eoi_gmfn_v2", NO_IRQS)
          .absent(29, "dbgp_op", "there is no debug port")
          .absent(30, "prepare_msix", NO_PCI)
          .absent(31, "release_msix", NO_PCI);

  @Override
  public Subops subops() {
    return SUBOPS;
  }

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
    if (ports < 0 || ports > MAX_PORTS || !GuestAccess.addressOk(bitmap, MAX_PORTS / 8)) {
      return -Errno.EINVAL;
    }
    v.traps().setIobitmap(bitmap, ports);
    return 0;
  }
}
