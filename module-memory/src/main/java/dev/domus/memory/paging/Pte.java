package dev.domus.memory.paging;

/**
 * Bits of an x86-64 page-table entry, any level (Intel SDM vol. 3, 4.5.4), and how a linear address
 * indexes the tables.
 *
 * <pre>
 *  63  62      52 51                        12 11   9  8   7   6   5   4   3   2   1   0
 * +---+----------+----------------------------+------+---+---+---+---+---+---+---+---+---+
 * |NX | available|        frame (mfn)         |avail | G |PS | D | A |PCD|PWT| U | W | P |
 * +---+----------+----------------------------+------+---+---+---+---+---+---+---+---+---+
 * </pre>
 */
public final class Pte {
  /** Entry bit. */
  public static final long P = 1,
      W = 1 << 1,
      U = 1 << 2,
      PWT = 1 << 3,
      PCD = 1 << 4,
      A = 1 << 5,
      D = 1 << 6;

  /** Entry bit: page size in L2 and L3 entries, PAT in L1 entries. */
  public static final long PS = 1 << 7;

  /** Entry bit: global (L1). */
  public static final long G = 1 << 8;

  /** Entry bits free for software. */
  public static final long AVAIL = 7 << 9, AVAIL_HIGH = 0x7FFL << 52;

  /**
   * Entry bit: software bit 52, by which the hypervisor marks guest-kernel mappings (xen-pv-abi.md,
   * 5.5).
   */
  public static final long GUEST_KERNEL = 1L << 52;

  /** Entry bit: no execution. */
  public static final long NX = 1L << 63;

  /** The field that holds the machine address of the frame. */
  public static final long ADDRESS_MASK = 0x000F_FFFF_FFFF_F000L;

  /** Entries a table. */
  public static final int ENTRIES = 512;

  private Pte() {}

  /** The frame that an entry names. */
  public static long mfn(long entry) {
    return (entry & ADDRESS_MASK) >>> 12;
  }

  /** An entry from its parts. */
  public static long of(long mfn, long flags) {
    return mfn << 12 | flags;
  }

  /**
   * Which entry of a table translates an address.
   *
   * @param va a linear address
   * @param level 1 (page table) to 4 (the root)
   */
  public static int index(long va, int level) {
    return (int) (va >>> (12 + 9 * (level - 1))) & 511;
  }

  /** Says whether bits 63 to 47 of an address are all equal. */
  public static boolean isCanonical(long va) {
    return va << 16 >> 16 == va;
  }
}
