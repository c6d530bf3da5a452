package dev.domus.kernel.engine;

/**
 * Which cached translations of a vCPU have become wrong, as one word: what {@link
 * VcpuEngine#invalidate} is told, and what waits in a queue for it without being allocated.
 *
 * <pre>
 *    63                                        12 11             2 1    0
 *   +--------------------------------------------+----------------+------+
 *   | page number, or frame number of an L4 table |   pages − 1    | kind |
 *   +--------------------------------------------+----------------+------+
 * </pre>
 *
 * <p>Invalidations commute, and one may be made twice or be widened to {@link #ALL} at any time:
 * what is forgotten is found again by a page walk. 0 is none of them.
 */
public final class Invalidation {
  /** What an invalidation covers. */
  public enum Kind {
    /** Every translation of every address space. */
    ALL,
    /** Some pages that follow each other, in every address space. */
    PAGES,
    /** Every translation that was made under one base, and no other. */
    ADDRESS_SPACE
  }

  /** How many pages a range may have; a larger one is {@link #ALL}. */
  public static final int MAX_PAGES = 1024;

  /** Every translation of every address space. */
  public static final long ALL = 1;

  private static final Kind[] KINDS = Kind.values();
  private static final long PAGE = -4096;

  private Invalidation() {}

  /**
   * The page that contains an address, in every address space.
   *
   * @param va any linear address, canonical or not
   */
  public static long page(long va) {
    return va & PAGE | Kind.PAGES.ordinal() + 1;
  }

  /**
   * The pages that contain a range of addresses, in every address space.
   *
   * @param va any linear address, canonical or not
   * @param bytes length of the range, taken as unsigned; 0 is the page of {@code va}
   */
  public static long range(long va, long bytes) {
    long last = va + Math.max(bytes, 1) - 1;
    long more = (last >>> 12) - (va >>> 12);
    boolean tooLong = bytes < 0 || more < 0 || more >= MAX_PAGES;
    return tooLong ? ALL : page(va) | more << 2;
  }

  /**
   * Every translation made under one base.
   *
   * @param cr3 machine address of the L4 table
   */
  public static long addressSpace(long cr3) {
    return cr3 & PAGE | Kind.ADDRESS_SPACE.ordinal() + 1;
  }

  /** What an invalidation covers; it must not be 0. */
  public static Kind kind(long invalidation) {
    return KINDS[((int) invalidation & 3) - 1];
  }

  /** Address of the first page of {@link Kind#PAGES}. */
  public static long va(long invalidation) {
    return invalidation & PAGE;
  }

  /** How many pages {@link Kind#PAGES} covers, 1 to {@value #MAX_PAGES}. */
  public static int pages(long invalidation) {
    return ((int) invalidation >>> 2 & MAX_PAGES - 1) + 1;
  }

  /** Machine address of the L4 table of {@link Kind#ADDRESS_SPACE}. */
  public static long cr3(long invalidation) {
    return invalidation & PAGE;
  }

  /**
   * One invalidation of just the pages that two are of, if these overlap or follow each other and
   * are few enough; otherwise 0.
   */
  public static long joined(long one, long other) {
    if (kind(one) != Kind.PAGES || kind(other) != Kind.PAGES) {
      return 0;
    }
    long first = Math.min(one >>> 12, other >>> 12);
    long end = Math.max((one >>> 12) + pages(one), (other >>> 12) + pages(other));
    long pages = end - first;
    boolean gap = pages > pages(one) + pages(other);
    return gap || pages > MAX_PAGES ? 0 : page(first << 12) | pages - 1 << 2;
  }

  /** An invalidation in words, for messages. */
  public static String describe(long invalidation) {
    return switch (kind(invalidation)) {
      case ALL -> "all";
      case PAGES -> "pages va=0x%x pages=%d".formatted(va(invalidation), pages(invalidation));
      case ADDRESS_SPACE -> "address space cr3=0x%x".formatted(cr3(invalidation));
    };
  }
}
