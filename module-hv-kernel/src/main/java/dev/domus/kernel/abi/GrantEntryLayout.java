package dev.domus.kernel.abi;

/**
 * Entries of grant tables, which the granting guest writes (xen-pv-abi.md, 12.1).
 *
 * <pre>
 *  version 1 (8 bytes)
 *   63                              32 31             16 15                                0
 *  +----------------------------------+-----------------+----------------------------------+
 *  |  u32 frame                       |  u16 domid      |  u16 flags                       |
 *  +----------------------------------+-----------------+----------------------------------+
 *
 *  version 2 (16 bytes)
 *                         full page      part of a page                transitive
 *   0   u16 flags, u16 domid
 *   4                     unused         u16 offset, u16 length        u16 domid
 *   8                     u64 frame      u64 frame                     u32 reference
 *
 *  status of version 2 (u16 an entry, in frames of its own): reading and writing
 *
 *  flags    0-1 type   2 read only   3 reading   4 writing   5-7 cache attributes   8 part of a page
 *           of a transfer: 2 committed   3 completed
 * </pre>
 *
 * <p>The hypervisor sets <em>reading</em> and <em>writing</em> while it has the grant in use: in
 * the flags of version 1, in the status of version 2. It changes flags and domid as one 32-bit word
 * by compare-and-set, since the guest may write them at any time.
 */
public final class GrantEntryLayout {
  /** Bytes an entry of version 1, of version 2, and of the latter's status. */
  public static final int SIZE = 8, SIZE_V2 = 16, STATUS_SIZE = 2;

  /** Entries a frame in version 1 and in version 2, and statuses a frame. */
  public static final int PER_FRAME = 4096 / SIZE,
      PER_FRAME_V2 = 4096 / SIZE_V2,
      STATUSES_PER_FRAME = 4096 / STATUS_SIZE;

  /** Entries for the toolstack, which survive a change of version. */
  public static final int RESERVED = 8;

  /** Offset of the word that holds flags (low half) and domid, and of version 1's frame number. */
  public static final int FLAGS_AND_DOMID = 0, FRAME = 4;

  /** Offset in an entry of version 2. */
  public static final int PART_OFFSET = 4,
      PART_LENGTH = 6,
      TRANSITIVE_DOMID = 4,
      FRAME_V2 = 8,
      TRANSITIVE_REF = 8;

  /**
   * Bits of the flags that say what kind of entry it is; an entry that permits access has the
   * type's value.
   */
  public static final int TYPE_MASK = 3, PERMIT_ACCESS = 1;

  /** Type of an entry: it accepts a frame from the domain it names, or passes another grant on. */
  public static final int ACCEPT_TRANSFER = 2, TRANSITIVE = 3;

  /** Flag of an entry. */
  public static final int READONLY = 1 << 2, READING = 1 << 3, WRITING = 1 << 4, SUB_PAGE = 1 << 8;

  /** Flag of an entry that accepts a transfer. */
  public static final int COMMITTED = 1 << 2, COMPLETED = 1 << 3;

  private GrantEntryLayout() {}
}
