package dev.domus.kernel.abi;

/**
 * An entry of a version 1 grant table, which the granting guest writes (xen-pv-abi.md, 12.1).
 *
 * <pre>
 *   63                              32 31             16 15                                0
 *  +----------------------------------+-----------------+----------------------------------+
 *  |  u32 frame                       |  u16 domid      |  u16 flags                       |
 *  +----------------------------------+-----------------+----------------------------------+
 *                                                         0-1 type (1: permits access)
 *                                                         2 read only  3 reading  4 writing
 *                                                         5-7 cache attributes  8 sub-page (version 2)
 * </pre>
 *
 * <p>The hypervisor sets <em>reading</em> and <em>writing</em> while it has the grant in use. It
 * changes flags and domid as one 32-bit word by compare-and-set, since the guest may write them at
 * any time.
 */
public final class GrantEntryLayout {
  /** Bytes an entry. */
  public static final int SIZE = 8;

  /** Entries a frame. */
  public static final int PER_FRAME = 4096 / SIZE;

  /** Offset of the word that holds flags (low half) and domid, and of the frame number. */
  public static final int FLAGS_AND_DOMID = 0, FRAME = 4;

  /**
   * Bits of the flags that say what kind of entry it is; an entry that permits access has the
   * type's value.
   */
  public static final int TYPE_MASK = 3, PERMIT_ACCESS = 1;

  /** Flag of an entry. */
  public static final int READONLY = 1 << 2, READING = 1 << 3, WRITING = 1 << 4, SUB_PAGE = 1 << 8;

  private GrantEntryLayout() {}
}
