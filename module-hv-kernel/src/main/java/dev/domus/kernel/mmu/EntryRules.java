package dev.domus.kernel.mmu;

import dev.domus.memory.paging.Pte;

/**
 * What bits a guest may put into a page-table entry, and which the hypervisor adds (xen-pv-abi.md,
 * 5.2, 5.3 and 5.5). A pure function of the entry; what the entry refers to is {@code TableTypes}'
 * to check. Entries that are not present may hold anything.
 */
final class EntryRules {
  /** First and last L4 slot of the hypervisor's range. */
  static final int FIRST_RESERVED_SLOT = 256, LAST_RESERVED_SLOT = 271;

  /** Cache attributes, in a table of any level. */
  private static final long CACHE_BITS = Pte.PWT | Pte.PCD;

  /**
   * Cache attributes of a leaf, where bit 7 is PAT: refused but to domains that may reach a device,
   * whose memory would need them.
   */
  private static final long LEAF_CACHE_BITS = CACHE_BITS | Pte.PS;

  /**
   * Above the leaves, bit 7 is a superpage (XSA-148, XSA-167), and a global table makes no sense.
   */
  private static final long TABLE_REFUSED = CACHE_BITS | Pte.PS | Pte.G;

  /**
   * Bits whose change needs no new check of what the entry refers to. W and the frame are not among
   * them (XSA-182).
   */
  private static final long HARMLESS =
      Pte.A | Pte.D | Pte.AVAIL | Pte.AVAIL_HIGH | Pte.NX | Pte.G | Pte.U;

  private EntryRules() {}

  static boolean isPresent(long entry) {
    return (entry & Pte.P) != 0;
  }

  static boolean isWritable(long entry) {
    return (entry & Pte.W) != 0;
  }

  /**
   * Says whether a present entry of a table of the level holds no bit that is refused.
   *
   * @param devices whether the domain has any right to I/O memory or ports
   */
  static boolean flagsAllowed(long entry, int level, boolean devices) {
    long refused = level > 1 ? TABLE_REFUSED : devices ? 0 : LEAF_CACHE_BITS;
    return (entry & refused) == 0;
  }

  /** Says whether a leaf maps its frame with the caching that is usual for RAM. */
  static boolean isWriteBack(long leaf) {
    return (leaf & LEAF_CACHE_BITS) == 0;
  }

  /**
   * Says whether two present entries refer to the same frame with the same rights, so that
   * references stay as they are.
   */
  static boolean sameReference(long one, long other) {
    return ((one ^ other) & ~HARMLESS) == 0;
  }

  /** A present entry with the bits that the hypervisor sets. Idempotent. */
  static long adjusted(long entry, int level) {
    return switch (level) {
      case 1 -> adjustedLeaf(entry);
      case 4 -> entry | Pte.U | Pte.A;
      default -> entry | Pte.U;
    };
  }

  /**
   * Guest kernel and guest user both run at CPL 3: the kernel's pages are marked by bit 52, the
   * user's are global.
   */
  private static long adjustedLeaf(long entry) {
    if ((entry & Pte.U) == 0) {
      return (entry | Pte.U | Pte.GUEST_KERNEL) & ~Pte.G;
    }
    return (entry & Pte.GUEST_KERNEL) != 0 ? entry : entry | Pte.G;
  }

  /** Says whether a slot of an L4 table is the hypervisor's. */
  static boolean isReserved(int level, int index) {
    return level == 4 && index >= FIRST_RESERVED_SLOT && index <= LAST_RESERVED_SLOT;
  }
}
