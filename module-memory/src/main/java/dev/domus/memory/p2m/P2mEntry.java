package dev.domus.memory.p2m;

/**
 * What a lookup answers, in one {@code long}, so that it allocates nothing and an entry is read and
 * written whole.
 *
 * <pre>
 *   63          52 51                                 12 11     9 8         4 3       0
 *  +--------------+-------------------------------------+--------+-----------+---------+
 *  |      0       |     machine address of the frame    |   0    |   order   |  type   |
 *  +--------------+-------------------------------------+--------+-----------+---------+
 * </pre>
 *
 * <p>The frame is the one behind the guest frame that was asked for, also in the middle of a large
 * page. The order says how much the answer is good for: the entry covers 2<sup>order</sup> guest
 * frames, aligned to their number. It is there for holes, too: a scan can skip them.
 */
public final class P2mEntry {
  /** Orders: 4 KiB, 2 MiB, 1 GiB. */
  public static final int ORDER_4K = 0, ORDER_2M = 9, ORDER_1G = 18;

  /** Frame numbers are below this. */
  public static final long MAX_FRAMES = 1L << 40;

  static final long NONE = 0;
  static final long STEP = 1L << 12;

  private static final long TYPE = 0xF;
  private static final int ORDER_SHIFT = 4;
  private static final long ORDER = 0x1F << ORDER_SHIFT;
  private static final long FRAME = 0x000F_FFFF_FFFF_F000L;

  /** A stored entry that is none: look one level further down. */
  static final long TABLE = -1;

  /** The types that have frames, a bit a code: cheaper than a look at the enum. */
  private static final long FRAMED = framed();

  private P2mEntry() {}

  /** The entry's type. */
  public static P2mType type(long entry) {
    return P2mType.of((int) (entry & TYPE));
  }

  /** Says whether the entry has a type, without a look at the table of types. */
  public static boolean is(long entry, P2mType type) {
    return (entry & TYPE) == type.ordinal();
  }

  /** The machine frame; 0 if entries of that type have none. */
  public static long mfn(long entry) {
    return (entry & FRAME) >>> 12;
  }

  /** Binary logarithm of the number of guest frames that the entry covers. */
  public static int order(long entry) {
    return (int) (entry & ORDER) >>> ORDER_SHIFT;
  }

  // ---- stored entries: order 0, the frame of the first page ----

  static long of(long mfn, P2mType type) {
    return mfn << 12 | type.ordinal();
  }

  static boolean isLeaf(long stored) {
    return stored != TABLE;
  }

  /** The stored entry some pages further on within the same page of a higher order. */
  static long at(long stored, long pages) {
    return hasFrame(stored) ? stored + pages * STEP : stored;
  }

  static long withOrder(long stored, int order) {
    return stored | (long) order << ORDER_SHIFT;
  }

  static long withoutOrder(long entry) {
    return entry & ~ORDER;
  }

  static long withType(long stored, P2mType type) {
    return stored & FRAME | type.ordinal();
  }

  /** Says whether an entry may stand for a page of some order: hardware wants frames aligned. */
  static boolean isAligned(long stored, int order) {
    return !hasFrame(stored) || (stored >>> 12 & (1L << order) - 1) == 0;
  }

  static boolean hasFrame(long stored) {
    return (FRAMED >>> (stored & TYPE) & 1) != 0;
  }

  private static long framed() {
    long set = 0;
    for (P2mType type : P2mType.values()) {
      set |= (type.hasFrame() ? 1L : 0) << type.ordinal();
    }
    return set;
  }
}
