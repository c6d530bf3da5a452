package dev.domus.memory.p2m;

import java.util.Arrays;
import java.util.function.LongConsumer;

/**
 * Which guest frames have been written: a bitmap in pieces of one array for 2 MiB, made when the
 * first bit in them is set. Used under the map's lock.
 */
final class DirtyLog {
  private static final int MEGAS = 512;
  private static final int WORDS = 512 / Long.SIZE;

  private final long[][][] words;

  DirtyLog(int gigas) {
    words = new long[gigas][][];
  }

  void mark(long gfn, long count) {
    long end = gfn + count;
    for (long at = gfn; at < end; ) {
      long next = Math.min(end, (at | Long.SIZE - 1) + 1);
      int giga = (int) (at >>> P2mEntry.ORDER_1G);
      int mega = (int) (at >>> P2mEntry.ORDER_2M) & MEGAS - 1;
      if (words[giga] == null) {
        words[giga] = new long[MEGAS][];
      }
      if (words[giga][mega] == null) {
        words[giga][mega] = new long[WORDS];
      }
      words[giga][mega][(int) at >>> 6 & WORDS - 1] |= -1L >>> (Long.SIZE - (next - at)) << at;
      at = next;
    }
  }

  /** Takes the marks of a range away, telling of each; returns how many there were. */
  long take(long gfn, long count, LongConsumer marked) {
    long taken = 0;
    long end = gfn + count;
    for (long at = gfn; at < end; ) {
      long[][] ofGiga = words[(int) (at >>> P2mEntry.ORDER_1G)];
      if (ofGiga == null) {
        at = (at >>> P2mEntry.ORDER_1G) + 1 << P2mEntry.ORDER_1G;
        continue;
      }
      long[] ofMega = ofGiga[(int) (at >>> P2mEntry.ORDER_2M) & MEGAS - 1];
      if (ofMega == null) {
        at = (at >>> P2mEntry.ORDER_2M) + 1 << P2mEntry.ORDER_2M;
        continue;
      }
      int word = (int) at >>> 6 & WORDS - 1;
      if ((ofMega[word] >>> at & 1) != 0) {
        ofMega[word] &= ~(1L << at);
        marked.accept(at);
        taken++;
      }
      at++;
    }
    return taken;
  }

  void clear() {
    Arrays.fill(words, null);
  }
}
