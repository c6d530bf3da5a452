package dev.domus.iommu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Which accesses of a port are under way: each announces itself before it looks for a translation
 * and takes that back when its last byte has been moved. Whoever invalidates waits for those that
 * touch what he invalidated ({@link #drain}): what VT-d calls draining reads and writes (6.5.4).
 *
 * <pre>
 *   word   63        48 47       36 35                       1   0
 *         +------------+-----------+--------------------------+----+
 *         |  sequence  | domain id |  block: bits 50-16 of    |busy|
 *         |            |           |  the address             |    |
 *         +------------+-----------+--------------------------+----+
 * </pre>
 *
 * <p>An access announces one aligned block of 64 KiB and stays in it; a copy announces a second one
 * in the word after the first. The sequence tells two accesses to the same block apart, so nobody
 * waits for more than one.
 *
 * <p><b>The protocol</b> is Dekker's: <i>announce, then look</i> against <i>withdraw, then look who
 * is in</i>. Unlike {@link dev.domus.memory.Window}'s (decision 0007) the fence is on the side that
 * runs often. A window is withdrawn once in its life, a DMA mapping lives for one request: a
 * process barrier of some 1 µs an unmap costs more than all fences of the accesses in between. And
 * it is nearly free here: slots are taken by compare-and-set anyhow, because a device may use its
 * port from several threads, and isolation must not depend on its saying so.
 *
 * <p>A port has {@value #SLOTS} slots a line each; a thread begins to look at one chosen by its id,
 * so threads of a device seldom meet. Slots that were never used are not looked at.
 */
final class Announcements {
  /** Accesses that can be under way at once; a further one waits. */
  static final int SLOTS = 8;

  /** Bytes of the blocks that are announced. */
  static final int BLOCK = 1 << 16;

  /** In place of a domain id: all of them. */
  static final int ANY_DOMAIN = -1;

  /** How long an access may last before whoever waits for it gives up. */
  static final long PATIENCE_NANOS = 10_000_000_000L;

  private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
  private static final VarHandle USED;

  static {
    try {
      USED = MethodHandles.lookup().findVarHandle(Announcements.class, "used", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final int LINE = 16;
  private static final int BLOCK_SHIFT = 16;
  private static final long BLOCKS = (1L << 35) - 1;
  private static final int DOMAIN_SHIFT = 36;
  private static final int DOMAINS = 0xFFF;
  private static final long BUSY = 1;

  /** In an idle word: the slot has been used, and is looked at by whoever waits. */
  private static final long KNOWN = 2;

  private static final long ONE_ACCESS = 1L << 48;
  private static final long SEQUENCE = -ONE_ACCESS;

  private final long[] words = new long[(SLOTS + 1) * LINE];
  private volatile int used;

  private static long word(int did, long iova) {
    return (long) did << DOMAIN_SHIFT | (iova >>> BLOCK_SHIFT & BLOCKS) << 1 | BUSY;
  }

  /**
   * Announces an access. Everything that is read after that is read after others can see it.
   *
   * @return the slot, for {@link #leave}
   */
  int enter(int did, long iova) {
    long[] w = words;
    int slot = (int) Thread.currentThread().threadId() & SLOTS - 1;
    int own = (slot + 1) * LINE;
    long free = (long) WORD.getOpaque(w, own);
    if ((free & (BUSY | KNOWN)) == KNOWN
        && WORD.compareAndSet(w, own, free, next(free) | word(did, iova))) {
      return own;
    }
    return enterAnother(slot, did, iova);
  }

  private static long next(long idle) {
    return idle + ONE_ACCESS & SEQUENCE;
  }

  private int enterAnother(int first, int did, long iova) {
    long[] w = words;
    int slot = first;
    for (int tries = 0; ; tries++) {
      int at = (slot + 1) * LINE;
      long idle = (long) WORD.getOpaque(w, at);
      if ((idle & BUSY) == 0) {
        int ignored = (int) USED.getAndBitwiseOr(this, 1 << slot);
        if (WORD.compareAndSet(w, at, idle, next(idle) | word(did, iova))) {
          return at;
        }
      }
      slot = slot + 1 & SLOTS - 1;
      if (tries >= SLOTS) {
        Waiting.pause(tries - SLOTS);
      }
    }
  }

  /** Announces the second block of a copy. */
  void alsoEnter(int slot, int did, long iova) {
    WORD.setVolatile(words, slot + 1, word(did, iova));
  }

  /** Takes back the second announcement. */
  void alsoLeave(int slot) {
    WORD.setRelease(words, slot + 1, 0L);
  }

  /** Takes back the announcement. What was stored in the access is seen by who sees its end. */
  void leave(int slot) {
    WORD.setRelease(words, slot, (long) WORD.getOpaque(words, slot) & SEQUENCE | KNOWN);
  }

  /**
   * Waits for accesses that were under way when it was called and touch a range.
   *
   * @param did the domain, or {@link #ANY_DOMAIN} for all accesses
   * @param first the first address
   * @param last the last address
   * @return whether there were any
   * @throws IllegalStateException if one does not end: what it reaches must not be used again
   */
  boolean drain(int did, long first, long last) {
    boolean any = false;
    for (int left = used; left != 0; left &= left - 1) {
      int at = (Integer.numberOfTrailingZeros(left) + 1) * LINE;
      long word = (long) WORD.getVolatile(words, at);
      if ((word & BUSY) != 0) {
        long second = (long) WORD.getVolatile(words, at + 1);
        if (touches(word, did, first, last) || touches(second, did, first, last)) {
          any = true;
          await(at, word);
        }
      }
    }
    return any;
  }

  private static boolean touches(long word, int did, long first, long last) {
    if ((word & BUSY) == 0) {
      return false;
    }
    if (did == ANY_DOMAIN) {
      return true;
    }
    long from = first >>> BLOCK_SHIFT;
    long more = (last >>> BLOCK_SHIFT) - from;
    return (word >>> DOMAIN_SHIFT & DOMAINS) == did
        && (more >= BLOCKS || ((word >>> 1) - from & BLOCKS) <= more);
  }

  private void await(int at, long word) {
    long deadline = 0;
    for (int spins = 0; (long) WORD.getVolatile(words, at) == word; spins++) {
      Waiting.pause(spins);
      if ((spins & 1023) == 1023) {
        long now = System.nanoTime();
        if (deadline == 0) {
          deadline = now + PATIENCE_NANOS;
        } else if (now - deadline >= 0) {
          throw new IllegalStateException(
              "a device's access does not end, and what it reaches cannot be taken from it; detach the device and leave the memory alone: seconds="
                  + PATIENCE_NANOS / 1_000_000_000L);
        }
      }
    }
  }
}
