package dev.domus.kernel.abi;

/**
 * The argument structures of physdev_op (33), 32-bit fields unless marked (public/physdev.h of Xen
 * 4.17).
 *
 * <pre>
 *                       0           4       8       12      16          20      24         32
 *   irq_status_query    irq         flags
 *   set_iopl            iopl
 *   set_iobitmap        bitmap ptr          nr_ports
 *   eoi                 irq
 *   map_pirq (40)       domid u16   type    index   pirq    bus | seg   devfn   entry_nr   table_base u64
 *   unmap_pirq          domid u16   pirq
 *   get_free_pirq       type        pirq
 * </pre>
 */
public final class PhysdevLayout {
  /** Command. */
  public static final int IRQ_STATUS_QUERY = 5, SET_IOPL = 6, SET_IOBITMAP = 7;

  /** Command. */
  public static final int APIC_READ = 8, APIC_WRITE = 9, ALLOC_IRQ_VECTOR = 10;

  /** Command. */
  public static final int EOI = 12, MAP_PIRQ = 13, UNMAP_PIRQ = 14;

  /** Command. */
  public static final int MANAGE_PCI_ADD = 15, MANAGE_PCI_REMOVE = 16, GET_FREE_PIRQ = 23;

  /** Offset in irq_status_query; and in eoi, which has the first. */
  public static final int STATUS_IRQ = 0, STATUS_FLAGS = 4;

  /** Offset in map_pirq. */
  public static final int MAP_DOMID = 0,
      MAP_TYPE = 4,
      MAP_PIRQ_NUMBER = 12,
      MAP_BUS = 16,
      MAP_DEVFN = 20,
      MAP_ENTRY = 24,
      MAP_TABLE_BASE = 32;

  /** Type of map_pirq: one MSI or MSI-X message, a line, a message on a segment, several. */
  public static final int TYPE_MSI = 0, TYPE_GSI = 1, TYPE_MSI_SEG = 3, TYPE_MULTI_MSI = 4;

  /** Where in map_pirq's bus field the segment is, with the types that have one. */
  public static final int SEGMENT_SHIFT = 16;

  /** A number of map_pirq that leaves the choice to the hypervisor is negative; this is usual. */
  public static final int ANY_PIRQ = -1;

  /** Size of map_pirq. */
  public static final int MAP_SIZE = 40;

  /** Offset in unmap_pirq. */
  public static final int UNMAP_DOMID = 0, UNMAP_PIRQ_NUMBER = 4;

  /** Offset in get_free_pirq. */
  public static final int FREE_TYPE = 0, FREE_PIRQ = 4;

  private PhysdevLayout() {}
}
