package dev.domus.toolstack.build;

/**
 * A run of guest frames.
 *
 * @param first its first frame
 * @param count how many, 0 for none
 */
public record PageRange(long first, long count) {
  /** Size of a frame in bytes, as an exponent of 2. */
  static final int PAGE_SHIFT = 12;

  /** Size of a frame in bytes. */
  static final int PAGE_SIZE = 1 << PAGE_SHIFT;

  /** The frame after it. */
  public long end() {
    return first + count;
  }

  /** The guest-physical address of its first byte. */
  public long gpa() {
    return first << PAGE_SHIFT;
  }

  /** How many frames hold a number of bytes. */
  static long pagesFor(long bytes) {
    return (bytes + PAGE_SIZE - 1) >>> PAGE_SHIFT;
  }
}
