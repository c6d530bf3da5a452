package dev.domus.kernel.device;

/**
 * A base-address region with registers of a function: 64-bit, not prefetchable memory (PCI Local
 * Bus Specification 3.0, 6.2.5.1).
 *
 * @param number 0, 2 or 4, since each takes two base-address registers
 * @param bytes a power of two, 4096 to 2³⁰: a region shares no page with another one
 */
public record Bar(int number, long bytes) {
  /** The smallest region: one page, since guests get at it by page. */
  public static final long MIN_BYTES = 4096;

  /** The largest region. */
  public static final long MAX_BYTES = 1L << 30;

  /**
   * Checks the rules.
   *
   * @throws IllegalArgumentException if one is broken
   */
  public Bar {
    if (number != 0 && number != 2 && number != 4) {
      throw new IllegalArgumentException("a 64-bit BAR is number 0, 2 or 4: number=" + number);
    }
    if (bytes < MIN_BYTES || bytes > MAX_BYTES || Long.bitCount(bytes) != 1) {
      throw new IllegalArgumentException(
          "a BAR's size is a power of two from 4096 to 2^30: bar=%d bytes=%d"
              .formatted(number, bytes));
    }
  }
}
