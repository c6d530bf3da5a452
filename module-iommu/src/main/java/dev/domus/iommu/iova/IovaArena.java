package dev.domus.iommu.iova;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * One GiB of addresses, 2<sup>18</sup> pages: a bit a page, and over the words of 64 pages an
 * {@link OrderTree}. A block is 2<sup>order</sup> pages, aligned to its size; the first that fits
 * is taken. Finding, taking and giving one back take 12 steps and the block's words, however full
 * and however cut up the arena is.
 *
 * <p>Beside them a byte a page, 0, or order + 1 of the block that was handed out there. It is set
 * and cleared by whoever owns the block or would like to, without the allocator's lock.
 *
 * <p>Some 300 KiB, made when the first address of the GiB is needed. Not thread-safe but for {@link
 * #handOut} and {@link #takeBack}.
 */
final class IovaArena {
  /** Binary logarithm of the pages. */
  static final int ORDER = 18;

  /** Result of {@link #take}: there is no such block. */
  static final int NONE = -1;

  private static final int WORD_ORDER = 6;
  private static final int WORDS = 1 << ORDER - WORD_ORDER;

  /** By order: the bits of a word at which a block of it can begin. */
  private static final long[] ALIGNED = {
    -1L,
    0x5555_5555_5555_5555L,
    0x1111_1111_1111_1111L,
    0x0101_0101_0101_0101L,
    0x0001_0001_0001_0001L,
    0x0000_0001_0000_0001L,
    1L
  };

  private static final VarHandle BYTE = MethodHandles.arrayElementVarHandle(byte[].class);

  private final long[] free = new long[WORDS];
  private final OrderTree tree = new OrderTree(ORDER - WORD_ORDER, WORD_ORDER, true);
  private final byte[] handedOut = new byte[1 << ORDER];

  IovaArena() {
    Arrays.fill(free, -1L);
  }

  /** The largest free order, -1 if nothing is free. */
  int largest() {
    return tree.largest();
  }

  /**
   * Takes the first block of an order.
   *
   * @param order 0 to {@link #ORDER}
   * @param end only below this page
   * @return its first page, or {@link #NONE}
   */
  int take(int order, int end) {
    int word = tree.first(0, order);
    if (word < 0) {
      return NONE;
    }
    int page = word << WORD_ORDER;
    if (order < WORD_ORDER) {
      page += Long.numberOfTrailingZeros(blocks(free[word], order));
    }
    if (page + (1 << order) > end) {
      return NONE;
    }
    mark(page, order, false);
    return page;
  }

  /** Takes a block that is wholly free, for addresses that nobody may have; false if it is not. */
  boolean reserve(int page, int order) {
    if (!isAll(page, order, true)) {
      return false;
    }
    mark(page, order, false);
    return true;
  }

  /** Gives a block back that was taken. */
  void give(int page, int order) {
    if (!isAll(page, order, false)) {
      throw new IllegalStateException(
          "range given back that is free: page=%d order=%d".formatted(page, order));
    }
    mark(page, order, true);
  }

  private static long bits(int page, int order) {
    return (order == WORD_ORDER ? -1L : (1L << (1 << order)) - 1) << page;
  }

  private boolean isAll(int page, int order, boolean wanted) {
    if (order < WORD_ORDER) {
      long bits = bits(page, order);
      return (free[page >>> WORD_ORDER] & bits) == (wanted ? bits : 0);
    }
    int first = page >>> WORD_ORDER;
    for (int word = first; word < first + (1 << order - WORD_ORDER); word++) {
      if (free[word] != (wanted ? -1L : 0)) {
        return false;
      }
    }
    return true;
  }

  private void mark(int page, int order, boolean toFree) {
    int first = page >>> WORD_ORDER;
    if (order < WORD_ORDER) {
      long bits = bits(page, order);
      free[first] = toFree ? free[first] | bits : free[first] & ~bits;
      tree.set(first, largestOf(free[first]));
      return;
    }
    for (int word = first; word < first + (1 << order - WORD_ORDER); word++) {
      free[word] = toFree ? -1L : 0;
      tree.set(word, toFree ? WORD_ORDER : -1);
    }
  }

  /** The bits at which free blocks of an order begin. */
  private static long blocks(long word, int order) {
    long runs = word;
    for (int step = 0; step < order; step++) {
      runs &= runs >>> (1 << step);
    }
    return runs & ALIGNED[order];
  }

  private static int largestOf(long word) {
    int order = -1;
    while (order < WORD_ORDER && blocks(word, order + 1) != 0) {
      order++;
    }
    return order;
  }

  // ---- what is handed out

  /** Notes that a block has an owner. */
  void handOut(int page, int order) {
    BYTE.setRelease(handedOut, page, (byte) (order + 1));
  }

  /** Notes that a block has none any more; false if it had none, or is of another size. */
  boolean takeBack(int page, int order) {
    return isHandedOut(page, order)
        && BYTE.compareAndSet(handedOut, page, (byte) (order + 1), (byte) 0);
  }

  /** Whether a block has an owner. */
  boolean isHandedOut(int page, int order) {
    return (byte) BYTE.getOpaque(handedOut, page) == order + 1;
  }
}
