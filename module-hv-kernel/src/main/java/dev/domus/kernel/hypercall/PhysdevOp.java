package dev.domus.kernel.hypercall;

import static dev.domus.kernel.abi.PhysdevLayout.*;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.passthrough.DomainDevices;

/**
 * physdev_op (33): a domain's virtual IOPL and I/O bitmap, and its physical interrupts, which are
 * messages of the PCI functions that it has ({@link DomainDevices}; structures in {@link
 * dev.domus.kernel.abi.PhysdevLayout}). There are no interrupt lines, and the bus is the
 * hypervisor's, so nobody registers functions on it; the rest is refused.
 *
 * <p>Whose interrupts are mapped, him the caller names; for another than itself it has to have the
 * right. The function has to be the named domain's: being privileged gives no access to a function
 * that is somebody else's.
 */
final class PhysdevOp implements Hypercall {
  private static final int MAX_PORTS = 65536;
  private static final int MAX_IOPL = 3;
  private static final int MAX_BUS = 0xff;

  private static final String NO_LINES = "there are no interrupt lines, only messages";
  private static final String OUR_BUS = "the hypervisor scans the PCI bus itself";
  private static final String OUR_TABLE = "MSI-X tables are the hypervisor's";
  private static final Subops SUBOPS =
      Subops.byArgument()
          .done(IRQ_STATUS_QUERY, "irq_status_query")
          .done(SET_IOPL, "set_iopl")
          .done(SET_IOBITMAP, "set_iobitmap")
          .refused(APIC_READ, "apic_read", NO_LINES)
          .refused(APIC_WRITE, "apic_write", NO_LINES)
          .refused(ALLOC_IRQ_VECTOR, "alloc_irq_vector", NO_LINES)
          .absent(11, "free_irq_vector", NO_LINES)
          .done(EOI, "eoi")
          .done(MAP_PIRQ, "map_pirq")
          .done(UNMAP_PIRQ, "unmap_pirq")
          .refused(MANAGE_PCI_ADD, "manage_pci_add", OUR_BUS)
          .refused(MANAGE_PCI_REMOVE, "manage_pci_remove", OUR_BUS)
          .absent(17, "pirq_eoi_gmfn_v1", "messages need no end of interrupt")
          .absent(19, "restore_msi", OUR_TABLE)
          .absent(20, "manage_pci_add_ext", OUR_BUS)
          .absent(21, "setup_gsi", NO_LINES)
          .absent(22, "get_nr_pirqs", "gone from the interface")
          .done(GET_FREE_PIRQ, "get_free_pirq")
          .absent(24, "pci_mmcfg_reserved", OUR_BUS)
          .absent(25, "pci_device_add", OUR_BUS)
          .absent(26, "pci_device_remove", OUR_BUS)
          .absent(27, "restore_msi_ext", OUR_TABLE)
          .absent(28, "pirq_eoi_gmfn_v2", "messages need no end of interrupt")
          .absent(29, "dbgp_op", "there is no debug port")
          .absent(30, "prepare_msix", OUR_TABLE)
          .absent(31, "release_msix", OUR_TABLE);

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    return switch ((int) command) {
      case IRQ_STATUS_QUERY -> irqStatus(v, arg);
      case SET_IOPL -> setIopl(v, arg);
      case SET_IOBITMAP -> setIobitmap(v, arg);
      case EOI -> eoi(v, arg);
      case MAP_PIRQ -> mapPirq(v, arg);
      case UNMAP_PIRQ -> unmapPirq(v, arg);
      case GET_FREE_PIRQ -> freePirq(v, arg);
      case APIC_READ, APIC_WRITE, ALLOC_IRQ_VECTOR -> -Errno.EPERM;
      case MANAGE_PCI_ADD, MANAGE_PCI_REMOVE -> -Errno.EPERM;
      default -> -Errno.ENOSYS;
    };
  }

  /** No flag is set: a message needs no end of interrupt, and is not shared. */
  private static long irqStatus(Vcpu v, long arg) {
    if (!DomainDevices.isPirq(v.guest().getInt(arg + STATUS_IRQ))) {
      return -Errno.EINVAL;
    }
    v.guest().putInt(arg + STATUS_FLAGS, 0);
    return 0;
  }

  private static long setIopl(Vcpu v, long arg) {
    int iopl = v.guest().getInt(arg);
    if (iopl < 0 || iopl > MAX_IOPL) {
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

  private static long eoi(Vcpu v, long arg) {
    int pirq = v.guest().getInt(arg + STATUS_IRQ);
    return v.domain().devices().isMapped(pirq) ? 0 : -Errno.EINVAL;
  }

  private static long mapPirq(Vcpu v, long arg) {
    GuestAccess guest = v.guest();
    int type = guest.getInt(arg + MAP_TYPE);
    int wanted = guest.getInt(arg + MAP_PIRQ_NUMBER);
    int bus = guest.getInt(arg + MAP_BUS);
    int devfn = guest.getInt(arg + MAP_DEVFN);
    int entry = guest.getInt(arg + MAP_ENTRY);
    boolean msix = guest.getLong(arg + MAP_TABLE_BASE) != 0;
    Domain target = named(v, guest.getShort(arg + MAP_DOMID));
    guest.requireWritable(arg, MAP_SIZE);
    if (target == null) {
      return -Errno.ESRCH;
    }
    if (!mayMap(v, target, MAP_PIRQ)) {
      return -Errno.EPERM;
    }
    if (type != TYPE_MSI && type != TYPE_MSI_SEG && type != TYPE_MULTI_MSI) {
      return -Errno.EINVAL;
    }
    if (type == TYPE_MULTI_MSI && entry != 1) {
      return -Errno.EOPNOTSUPP; // one message a function, unless it has a table
    }
    if (Integer.compareUnsigned(bus, MAX_BUS) > 0 || Integer.compareUnsigned(devfn, 0xff) > 0) {
      return -Errno.ENODEV; // there is one segment, 0
    }
    RequesterId id = new RequesterId(bus << Byte.SIZE | devfn);
    int vector = type == TYPE_MULTI_MSI || !msix ? 0 : entry;
    int pirq = target.devices().mapPirq(id, vector, msix && type != TYPE_MULTI_MSI, wanted);
    if (pirq < 0) {
      return pirq;
    }
    guest.putInt(arg + MAP_PIRQ_NUMBER, pirq);
    return 0;
  }

  private static long unmapPirq(Vcpu v, long arg) {
    int pirq = v.guest().getInt(arg + UNMAP_PIRQ_NUMBER);
    Domain target = named(v, v.guest().getShort(arg + UNMAP_DOMID));
    if (target == null) {
      return -Errno.ESRCH;
    }
    return mayMap(v, target, UNMAP_PIRQ) ? target.devices().unmapPirq(pirq) : -Errno.EPERM;
  }

  private static long freePirq(Vcpu v, long arg) {
    int type = v.guest().getInt(arg + FREE_TYPE);
    v.guest().requireWritable(arg + FREE_PIRQ, Integer.BYTES);
    if (type != TYPE_MSI) {
      return -Errno.EINVAL;
    }
    int pirq = v.domain().devices().reservePirq();
    if (pirq < 0) {
      return pirq;
    }
    v.guest().putInt(arg + FREE_PIRQ, pirq);
    return 0;
  }

  private static Domain named(Vcpu v, int domid) {
    return domid == Domid.SELF || domid == v.domain().domid()
        ? v.domain()
        : v.domain().hypervisor().anyDomain(domid);
  }

  private static boolean mayMap(Vcpu v, Domain target, int command) {
    int caller = v.domain().domid();
    return v.domain()
            .hypervisor()
            .access()
            .check(Operation.PHYSICAL_INTERRUPTS, caller, target.domid(), command)
        == 0;
  }
}
