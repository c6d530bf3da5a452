package dev.domus.kernel.driver;

import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.LongConsumer;

/**
 * The mappings of a buffer that are not unmapped yet: a set of words, each of which says all of a
 * mapping, so that of two threads that unmap it one takes the word away and the other finds none.
 *
 * <pre>
 *   63                     23 22            3  2         1  0
 *  +-------------------------+---------------+----------+-----+
 *  | address of the device,  | pages         | coherent | W R |
 *  | in pages                |               |          |     |
 *  +-------------------------+---------------+----------+-----+
 * </pre>
 *
 * <p>A mapping is looked for in the bucket that its address hashes to, and in the following ones
 * only because that may have been full when it came. There are no chains, so nothing is ever moved.
 * Lock-free; allocates nothing.
 */
final class LiveMappings {
  static final int COHERENT = 4;

  /** Most mappings at a time. */
  static final int MOST = 4096;

  private static final int BUCKET = 8;
  private static final int BUCKETS = MOST / BUCKET;
  private static final int PAGES_AT = 3;
  private static final int PAGES_BITS = 20;
  private static final int ADDRESS_AT = PAGES_AT + PAGES_BITS;
  private static final int PAGE = 12;
  private static final long WITHOUT_FLAGS = -1L << PAGES_AT;

  /** Spreads neighbours: 2^64 divided by the golden ratio. */
  private static final long MIX = 0x9E37_79B9_7F4A_7C15L;

  private final AtomicLongArray words = new AtomicLongArray(MOST);

  private static long word(long address, long pages, int flags) {
    return address >>> PAGE << ADDRESS_AT | pages << PAGES_AT | flags;
  }

  /** The first page's address. */
  static long address(long word) {
    return word >>> ADDRESS_AT << PAGE;
  }

  static long pages(long word) {
    return word >>> PAGES_AT & (1L << PAGES_BITS) - 1;
  }

  /** Permissions, and whether it is coherent. */
  static int flags(long word) {
    return (int) word & ~(int) WITHOUT_FLAGS;
  }

  private static int home(long address) {
    return (int) ((address >>> PAGE) * MIX >>> 40) & BUCKETS - 1;
  }

  /** Enters a mapping; false if there are too many. */
  boolean add(long address, long pages, int flags) {
    long word = word(address, pages, flags);
    int first = home(address) * BUCKET;
    for (int i = 0; i < MOST; i++) {
      int at = first + i & MOST - 1;
      if (words.get(at) == 0 && words.compareAndSet(at, 0, word)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Takes a mapping away; its word, or 0 if there is none with this address and number of pages.
   */
  long remove(long address, long pages) {
    long wanted = word(address, pages, 0);
    int first = home(address) * BUCKET;
    for (int i = 0; i < MOST; i++) {
      int at = first + i & MOST - 1;
      long word = words.get(at);
      if ((word & WITHOUT_FLAGS) == wanted && words.compareAndSet(at, word, 0)) {
        return word;
      }
    }
    return 0;
  }

  /** The word of a mapping that covers pages, or 0. Quick if they begin where it begins. */
  long covering(long address, long pages) {
    int first = home(address) * BUCKET;
    for (int i = 0; i < MOST; i++) {
      long word = words.get(first + i & MOST - 1);
      long begin = address(word);
      if (word != 0
          && address >= begin
          && address + (pages << PAGE) <= begin + (pages(word) << PAGE)) {
        return word;
      }
    }
    return 0;
  }

  /** Takes all away; nobody adds any. */
  void drain(LongConsumer taker) {
    for (int at = 0; at < MOST; at++) {
      long word = words.getAndSet(at, 0);
      if (word != 0) {
        taker.accept(word);
      }
    }
  }
}
