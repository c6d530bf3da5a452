package dev.domus.iommu;

/**
 * An entry of an I/O page table: VT-d's second-level (now <i>second-stage</i>) paging structures as
 * legacy mode uses them (Intel VT-d, 9.8 <i>Second-Stage Paging Entries</i>; 3.7 for the walk).
 *
 * <pre>
 *  63 62 61      52 51        HAW HAW-1             12 11  10   8  7  6    2  1   0
 * +--+--+----------+-------------+--------------------+---+------+--+-------+---+---+
 * |ig|TM| ignored  | reserved: 0 |   frame or table   |SNP| ign. |PS|ignored| W | R |
 * +--+--+----------+-------------+--------------------+---+------+--+-------+---+---+
 *   ^ reserved here: this unit has no device TLBs
 * </pre>
 *
 * <p>There is no present bit: an entry with R = W = 0 maps nothing and its other bits are ignored.
 * What a page permits is what all entries on the way to it permit. PS makes a page of an entry of
 * level 2 (2 MiB) or 3 (1 GiB), if the unit has pages of that size; the address bits inside such a
 * page are reserved. SNP (the access snoops processor caches) is allowed in leaves, if the unit has
 * snoop control; here memory is coherent always, so it is checked and changes nothing.
 */
final class SecondLevelFormat {
  /** Entry bits: read, write, page size, snoop. */
  static final long R = 1, W = 1 << 1, PS = 1 << 7, SNP = 1 << 11;

  /** Read and write; both clear says that there is nothing. */
  static final long RIGHTS = R | W;

  /** The frame or the table. */
  static final long ADDRESS = 0x000F_FFFF_FFFF_F000L;

  /** Entries of a table. */
  static final int ENTRIES = 512;

  /** The largest level of a leaf that the format has at all: 1 GiB. */
  static final int LARGEST_LEAF = 3;

  private static final long TM = 1L << 62;
  private static final int LEVELS = 5;

  private final long[] reservedInTable = new long[LEVELS + 1];
  private final long[] reservedInLeaf = new long[LEVELS + 1];

  /**
   * The rules of one unit.
   *
   * @param hostAddressBits width of machine addresses; address bits from there on are reserved
   * @param snoopControl whether leaves may have SNP
   * @param largestLeaf the highest level that may have leaves, 1 to 3
   */
  SecondLevelFormat(int hostAddressBits, boolean snoopControl, int largestLeaf) {
    long beyond = ADDRESS & -(1L << hostAddressBits);
    for (int level = 1; level <= LEVELS; level++) {
      reservedInTable[level] = beyond | TM | SNP | (level == 1 ? 0 : PS);
      boolean leaf = level <= largestLeaf;
      long inside = ADDRESS & (1L << shift(level)) - 1;
      reservedInLeaf[level] =
          beyond | TM | inside | (snoopControl ? 0 : SNP) | (leaf || level == 1 ? 0 : PS);
    }
  }

  /** The bits that must be clear in an entry that is not all zero in R and W. */
  long reserved(int level, boolean leaf) {
    return leaf ? reservedInLeaf[level] : reservedInTable[level];
  }

  /** Binary logarithm of the bytes that an entry of a level covers. */
  static int shift(int level) {
    return 12 + 9 * (level - 1);
  }

  /** Pages of 4 KiB that an entry of a level covers. */
  static long pages(int level) {
    return 1L << 9 * (level - 1);
  }

  /** Machine address of the entry of a table that translates an address. */
  static long entryAt(long table, long iova, int level) {
    return table + (iova >>> shift(level) & ENTRIES - 1) * 8;
  }

  /** Whether an entry says anything. */
  static boolean isPresent(long entry) {
    return (entry & RIGHTS) != 0;
  }

  /** Whether a present entry of a level is a page. */
  static boolean isLeaf(long entry, int level) {
    return level == 1 || (entry & PS) != 0;
  }

  /**
   * Whether an entry is what the first of its table would be, so many pages of a level further on.
   */
  static boolean isRunOf(long first, long each, int index, int level) {
    return isPresent(first) && each == first + ((long) index << shift(level));
  }
}
