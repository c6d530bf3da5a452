package dev.domus.iommu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * A set-associative cache from tagged addresses to one word: the unit has one for pages of 4 KiB
 * and one for pages of 2 MiB (together its IOTLB; 1 GiB pages are kept there by pieces of 2 MiB)
 * and one for tables (its paging-structure cache). Intel VT-d, 6.2.4 and 6.2.5.
 *
 * <pre>
 *   key     63                               12 11        0
 *          +-----------------------------------+-----------+
 *          |  address, aligned to the page     | domain id |   never 0: there is no domain 0
 *          +-----------------------------------+-----------+
 *   set    | version | 3 keys | 3 values | unused |          64 bytes
 * </pre>
 *
 * <p><b>Readers take no lock.</b> A set's version is odd while it is being changed; who finds it
 * odd, or changed after reading, has missed. A miss is always right: it only costs a walk.
 *
 * <p><b>Writers</b> lock a set by making its version odd. Whoever inserts does not wait: if another
 * is in the set, the translation is just not kept. Whoever removes waits.
 *
 * <p>What is removed does not come back only if nobody can still be about to insert it; {@link
 * Invalidation} sees to that.
 */
final class TranslationCache {
  /** Entries of a set. */
  static final int WAYS = 3;

  /** Result of {@link #find}: not there. No value is 0. */
  static final long MISS = 0;

  private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
  private static final int SET_SHIFT = 3;
  private static final int KEYS = 1;
  private static final int VALUES = KEYS + WAYS;
  private static final int DOMAIN_ID = 0xFFF;

  private final long[] words;
  private final int pageShift;
  private final int mask;

  /**
   * An empty cache.
   *
   * @param setsOrder binary logarithm of the number of sets
   * @param pageShift binary logarithm of the bytes a key covers
   */
  TranslationCache(int setsOrder, int pageShift) {
    this.pageShift = pageShift;
    mask = (1 << setsOrder) - 1;
    words = new long[1 << setsOrder + SET_SHIFT];
  }

  /** The key of an address of a domain. */
  long key(int did, long iova) {
    return iova & -1L << pageShift | did;
  }

  /** Where a key's set begins. */
  int setOf(long key) {
    int did = (int) key & DOMAIN_ID;
    return (((int) (key >>> pageShift) ^ did * 0x9E5) & mask) << SET_SHIFT;
  }

  // ---- looking in two steps, for whoever announces in between

  /** The version of a set, to be read before {@link #peek}. */
  long version(int set) {
    return (long) WORD.getAcquire(words, set);
  }

  /** The value of a key, or {@link #MISS}; good only if {@link #isStill} says so afterwards. */
  long peek(int set, long key) {
    long[] w = words;
    for (int way = KEYS; way < KEYS + WAYS; way++) {
      if ((long) WORD.getOpaque(w, set + way) == key) {
        return (long) WORD.getOpaque(w, set + way + WAYS);
      }
    }
    return MISS;
  }

  /** Whether a set is as it was at a version that was read before, and what was read then holds. */
  boolean isStill(int set, long version) {
    VarHandle.acquireFence();
    return (version & 1) == 0 && (long) WORD.getVolatile(words, set) == version;
  }

  // ---- looking, announced before

  /** The value of a key, or {@link #MISS}. */
  long find(long key) {
    int set = setOf(key);
    long version = (long) WORD.getVolatile(words, set);
    long value = peek(set, key);
    return value != MISS && isStill(set, version) ? value : MISS;
  }

  // ---- changing

  /** Keeps a value, unless somebody is changing the set at this moment. */
  void insert(long key, long value) {
    long[] w = words;
    int set = setOf(key);
    long version = (long) WORD.getOpaque(w, set);
    if ((version & 1) != 0 || !WORD.compareAndSet(w, set, version, version + 1)) {
      return;
    }
    VarHandle.releaseFence();
    int way = wayFor(w, set, key, version);
    WORD.setOpaque(w, set + way, key);
    WORD.setOpaque(w, set + way + WAYS, value);
    WORD.setRelease(w, set, version + 2);
  }

  private static int wayFor(long[] w, int set, long key, long version) {
    int free = 0;
    for (int way = KEYS; way < KEYS + WAYS; way++) {
      long held = (long) WORD.getOpaque(w, set + way);
      if (held == key) {
        return way;
      }
      if (held == 0) {
        free = way;
      }
    }
    return free != 0 ? free : KEYS + (int) ((version >>> 1) % WAYS);
  }

  /** Forgets a key. */
  void remove(long key) {
    int set = setOf(key);
    for (int way = KEYS; way < KEYS + WAYS; way++) {
      if ((long) WORD.getVolatile(words, set + way) == key) {
        removeIn(set, (int) key & DOMAIN_ID, key >>> pageShift, 0);
        return;
      }
    }
  }

  /**
   * Forgets all that a domain has of a range of addresses.
   *
   * @param did the domain
   * @param first any address in the first page
   * @param last any address in the last page
   */
  void removeRange(int did, long first, long last) {
    long from = first >>> pageShift;
    long more = (last >>> pageShift) - from;
    if (more <= mask >>> 2) {
      for (long page = from; page <= from + more; page++) {
        remove(page << pageShift | did);
      }
      return;
    }
    for (int set = 0; set < words.length; set += 1 << SET_SHIFT) {
      for (int way = KEYS; way < KEYS + WAYS; way++) {
        if (matches((long) WORD.getVolatile(words, set + way), did, from, more)) {
          removeIn(set, did, from, more);
          break;
        }
      }
    }
  }

  /** Forgets all that a domain has. */
  void removeDomain(int did) {
    removeRange(did, 0, -1L);
  }

  /** Forgets everything. */
  void removeAll() {
    for (int set = 0; set < words.length; set += 1 << SET_SHIFT) {
      removeIn(set, 0, 0, -1);
    }
  }

  private boolean matches(long key, int did, long from, long more) {
    return key != 0
        && (did == 0 || (key & DOMAIN_ID) == did)
        && Long.compareUnsigned((key >>> pageShift) - from, more) <= 0;
  }

  private void removeIn(int set, int did, long from, long more) {
    long version = lock(set);
    for (int way = KEYS; way < KEYS + WAYS; way++) {
      if (matches((long) WORD.getOpaque(words, set + way), did, from, more)) {
        WORD.setOpaque(words, set + way, 0L);
        WORD.setOpaque(words, set + way + WAYS, MISS); // what has no key has no value either
      }
    }
    WORD.setVolatile(words, set, version + 2);
  }

  private long lock(int set) {
    for (int spins = 0; ; spins++) {
      long version = (long) WORD.getOpaque(words, set);
      if ((version & 1) == 0 && WORD.compareAndSet(words, set, version, version + 1)) {
        VarHandle.releaseFence();
        return version;
      }
      Waiting.pause(spins);
    }
  }

  /** Number of entries, for tests and reports. */
  int size() {
    int size = 0;
    for (int set = 0; set < words.length; set += 1 << SET_SHIFT) {
      size += (int) Arrays.stream(words, set + KEYS, set + VALUES).filter(key -> key != 0).count();
    }
    return size;
  }
}
