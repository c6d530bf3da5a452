package dev.domus.memory.p2m;

import static dev.domus.memory.p2m.P2mEntry.ORDER_1G;
import static dev.domus.memory.p2m.P2mEntry.ORDER_2M;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * A guest-physical map: a radix tree of 1 GiB, 2 MiB and 4 KiB entries, read without locks.
 *
 * <h2>Layout</h2>
 *
 * <pre>
 *   gfn   35            18 17       9 8        0
 *        +----------------+----------+----------+
 *        |      giga      |   mega   |   page   |
 *        +----------------+----------+----------+
 *
 *   leaves[giga] --> [mega] --> [page]  4 KiB entry     null: no 4 KiB entries here
 *   large [giga] --> [mega]             2 MiB entry     null: no 2 MiB entries here
 *   huge  [giga]                        1 GiB entry, or TABLE: look in large
 * </pre>
 *
 * <p>Three trees over the same index, asked from the fine to the coarse: the first that has
 * something has the truth. So the commonest answer, a 4 KiB entry, is four dependent loads; and a
 * reader needs no flag in an entry to know where it is.
 *
 * <p>Arrays of the Java heap, not machine frames: no hardware reads this map (an engine that has
 * nested paging, or an IOMMU with tables in memory, derives the format of its hardware from it, and
 * has to flush what it derived anyway), arrays are read faster than segments, and the collector
 * keeps a table alive for as long as some reader is in it. Off-heap tables would need an epoch
 * scheme for that. A leaf costs 4 KiB for 2 MiB of guest memory, and large pages none.
 *
 * <h2>Readers and writers</h2>
 *
 * Changes are made under one lock, in two kinds of step:
 *
 * <ul>
 *   <li>A step that <em>changes what a guest frame maps to</em> is one store to the one word that
 *       has the truth, so a reader finds the old entry or the new one.
 *   <li>A step that <em>changes the structure</em> (split, merge) changes no frame's meaning: the
 *       words that are about to have the truth are written first, with what is true already; then
 *       one release store puts them in force or takes the finer ones away. A table that has lost
 *       the truth is never written again, or only with what is true when it is written.
 * </ul>
 *
 * <p>Readers load with acquire. One that is held up between two loads may read a word that no
 * longer has the truth, and then finds what was true at some moment since it came: lookups are
 * linearizable, each for its own guest frame. A change of a range is not one moment, but many. A
 * lookup repeats itself only if a table was merged away between two of its loads.
 *
 * <p>After a change the caller flushes whatever translations were derived from the old entries
 * before it lets go of the frames, as after a change of page tables.
 *
 * <h2>Merging</h2>
 *
 * After each change the tables that it touched are merged if all their entries have become one
 * large page: same type, consecutive frames, aligned. The first and last entry are compared before
 * the rest, so this costs a full comparison nearly only when it succeeds. All pages of a hole are
 * alike, too, and so its tables go away.
 *
 * <h2>Dirty logging</h2>
 *
 * While it is on, writable memory is {@link P2mType#LOGGED_DIRTY}; the first write to a page faults
 * and {@link #logWrite} notes it and makes that page writable. {@link #collectDirty} hands the
 * notes over and arms those pages again. A page whose frame is replaced or removed counts as
 * written.
 */
public final class RadixP2m {
  private static final int ENTRIES = 512;
  private static final int IN_TABLE = ENTRIES - 1;
  private static final long PAGES_2M = 1L << ORDER_2M;
  private static final long PAGES_1G = 1L << ORDER_1G;

  /** Guest frame numbers of 48-bit addresses: as far as four-level hardware formats reach. */
  public static final long MAX_LIMIT = 1L << 36;

  private static final VarHandle ENTRY = MethodHandles.arrayElementVarHandle(long[].class);
  private static final VarHandle TABLE = MethodHandles.arrayElementVarHandle(long[][].class);
  private static final VarHandle TABLES = MethodHandles.arrayElementVarHandle(long[][][].class);

  private final long limit;
  private final long[] huge;
  private final long[][] large;
  private final long[][][] leaves;

  private final Object lock = new Object();
  private final DirtyLog dirty;
  private boolean logging;
  private long tables;

  /**
   * Makes an empty map.
   *
   * @param limit guest frame numbers are below this, at most {@link #MAX_LIMIT}
   */
  public RadixP2m(long limit) {
    if (limit < 0 || limit > MAX_LIMIT) {
      throw new IllegalArgumentException("limit out of range: limit=" + limit);
    }
    this.limit = limit;
    int gigas = (int) Math.ceilDiv(limit, PAGES_1G);
    huge = new long[gigas];
    large = new long[gigas][];
    leaves = new long[gigas][][];
    dirty = new DirtyLog(gigas);
  }

  /** Guest frame numbers are below this. */
  public long limit() {
    return limit;
  }

  /** Says whether a range from a stranger lies below the limit. */
  public boolean contains(long gfn, long count) {
    return gfn >= 0 && count >= 0 && count <= limit && gfn <= limit - count;
  }

  // ---- lookup ----

  /**
   * What stands behind a guest frame, to be taken apart with {@link P2mEntry}. Any number may be
   * asked for. Takes no lock, allocates nothing.
   */
  public long lookup(long gfn) {
    if (Long.compareUnsigned(gfn, limit) >= 0) {
      return P2mEntry.NONE;
    }
    int giga = giga(gfn);
    int mega = mega(gfn);
    while (true) {
      long[][] ofGiga = (long[][]) TABLES.getAcquire(leaves, giga);
      if (ofGiga != null) {
        long[] leaf = (long[]) TABLE.getAcquire(ofGiga, mega);
        if (leaf != null) {
          return (long) ENTRY.getAcquire(leaf, page(gfn));
        }
      }
      long entry = (long) ENTRY.getAcquire(huge, giga);
      if (P2mEntry.isLeaf(entry)) {
        return P2mEntry.withOrder(P2mEntry.at(entry, gfn & PAGES_1G - 1), ORDER_1G);
      }
      long[] table = (long[]) TABLE.getAcquire(large, giga);
      if (table != null) {
        entry = (long) ENTRY.getAcquire(table, mega);
        return P2mEntry.withOrder(P2mEntry.at(entry, page(gfn)), ORDER_2M);
      }
      Thread.onSpinWait(); // merged in between: huge has the truth by now
    }
  }

  /** Tells of all that is mapped in a range, at one moment. */
  public void forEach(long gfn, long count, P2mExtents visitor) {
    check(gfn, count);
    synchronized (lock) {
      ExtentRun run = new ExtentRun(visitor);
      long end = gfn + count;
      for (long at = gfn; at < end; ) {
        long entry = lookup(at);
        long next = Math.min(end, (at >>> P2mEntry.order(entry)) + 1 << P2mEntry.order(entry));
        run.add(at, next - at, P2mEntry.withoutOrder(entry));
        at = next;
      }
      run.end();
    }
  }

  // ---- changes ----

  /**
   * Sets what stands behind one guest frame.
   *
   * @param mfn the machine frame, 0 for types that have none
   * @return the entry that stood there before
   */
  public long set(long gfn, long mfn, P2mType type) {
    check(gfn, 1);
    long stored = stored(mfn, 1, type);
    synchronized (lock) {
      long old = lookup(gfn);
      if (P2mEntry.withoutOrder(old) != stored) {
        store(gfn, stored);
      }
      if (logging) {
        dirty.mark(gfn, 1);
      }
      return old;
    }
  }

  /**
   * Maps a range to consecutive machine frames, in the largest pages that alignment allows, or to a
   * type that has none.
   *
   * @param replaced told what stood there before, once all is done
   */
  public void map(long gfn, long count, long mfn, P2mType type, P2mExtents replaced) {
    check(gfn, count);
    long stored = stored(mfn, count, type);
    synchronized (lock) {
      ExtentRun run = new ExtentRun(replaced);
      rewrite(
          gfn,
          count,
          new Rewrite() {
            @Override
            public long entry(long at, long old) {
              return P2mEntry.at(stored, at - gfn);
            }

            @Override
            public void visited(long at, long pages, long old) {
              run.add(at, pages, old);
              if (logging && (type != P2mType.NONE || !P2mEntry.is(old, P2mType.NONE))) {
                dirty.mark(at, pages);
              }
            }
          });
      run.end();
    }
  }

  /**
   * Removes whatever is mapped in a range.
   *
   * @param removed told of it; the frames must not be let go before the flush that follows
   */
  public void unmap(long gfn, long count, P2mExtents removed) {
    map(gfn, count, 0, P2mType.NONE, removed);
  }

  /**
   * Gives frames to guest frames that are to be populated on demand.
   *
   * @param order of the aligned block of guest frames, and of frames
   * @return false, and nothing changed, if one of them is not (any more) of that type
   */
  public boolean populate(long gfn, int order, long mfn) {
    long count = 1L << order;
    check(gfn, count);
    synchronized (lock) {
      for (long at = gfn; at < gfn + count; ) {
        long entry = lookup(at);
        if (!P2mEntry.is(entry, P2mType.POPULATE_ON_DEMAND)) {
          return false;
        }
        at = (at >>> P2mEntry.order(entry)) + 1 << P2mEntry.order(entry);
      }
      if (order == 0) {
        set(gfn, mfn, P2mType.RAM_RW);
      } else {
        map(gfn, count, mfn, P2mType.RAM_RW, P2mExtents.NOBODY);
      }
      return true;
    }
  }

  /**
   * Makes the memory in a range writable or read-only. What is not memory stays as it is. While
   * dirty logging is on, memory that becomes writable is logged.
   *
   * @return number of guest frames whose entry changed
   */
  public long setWritable(long gfn, long count, boolean writable) {
    check(gfn, count);
    synchronized (lock) {
      if (!writable) {
        return retype(gfn, count, P2mType.RAM_RW, P2mType.RAM_RO)
            + retype(gfn, count, P2mType.LOGGED_DIRTY, P2mType.RAM_RO);
      }
      return retype(gfn, count, P2mType.RAM_RO, logging ? P2mType.LOGGED_DIRTY : P2mType.RAM_RW);
    }
  }

  // ---- dirty logging ----

  /** Turns dirty logging on, with nothing noted yet, or off. The caller flushes afterwards. */
  public void setLogging(boolean on) {
    synchronized (lock) {
      logging = on;
      dirty.clear();
      if (on) {
        retype(0, limit, P2mType.RAM_RW, P2mType.LOGGED_DIRTY);
      } else {
        retype(0, limit, P2mType.LOGGED_DIRTY, P2mType.RAM_RW);
      }
    }
  }

  /**
   * Answers a write fault.
   *
   * @return whether the page may be written now: it was being logged, or another vCPU was faster
   */
  public boolean logWrite(long gfn) {
    synchronized (lock) {
      long entry = lookup(gfn);
      if (P2mEntry.is(entry, P2mType.LOGGED_DIRTY)) {
        dirty.mark(gfn, 1);
        store(gfn, P2mEntry.withType(entry, P2mType.RAM_RW));
        return true;
      }
      return P2mEntry.is(entry, P2mType.RAM_RW);
    }
  }

  /** Notes writes that came by another way than the map: the hypervisor's own, or a device's. */
  public void markDirty(long gfn, long count) {
    check(gfn, count);
    synchronized (lock) {
      if (logging) {
        dirty.mark(gfn, count);
      }
    }
  }

  /**
   * Takes the notes of a range: pages written since they were last taken. Those pages are logged
   * again; the caller flushes before it reads their contents.
   *
   * @param bitmap gets bit {@code i} for guest frame {@code gfn + i}; its other bits are cleared
   * @return number of bits set
   */
  public long collectDirty(long gfn, long count, long[] bitmap) {
    check(gfn, count);
    if (Math.ceilDiv(count, Long.SIZE) > bitmap.length) {
      throw new IllegalArgumentException(
          "bitmap too short: longs=%d pages=%d".formatted(bitmap.length, count));
    }
    Arrays.fill(bitmap, 0);
    synchronized (lock) {
      return dirty.take(
          gfn,
          count,
          at -> {
            bitmap[(int) (at - gfn >>> 6)] |= 1L << (at - gfn);
            long entry = lookup(at);
            if (P2mEntry.is(entry, P2mType.RAM_RW)) {
              store(at, P2mEntry.withType(entry, P2mType.LOGGED_DIRTY));
            }
          });
    }
  }

  /** Number of tables below the roots: what the map costs, at some 4 KiB each. */
  public long tables() {
    synchronized (lock) {
      return tables;
    }
  }

  // ---- under the lock ----

  /** What becomes of each entry of a range. */
  private interface Rewrite {
    /** The new stored entry of one page; pages that follow it continue it. */
    long entry(long gfn, long old);

    /** Called for each piece, in rising order, with the old stored entry of its first page. */
    void visited(long gfn, long pages, long old);
  }

  private long retype(long gfn, long count, P2mType from, P2mType to) {
    var counter =
        new Rewrite() {
          long changed;

          @Override
          public long entry(long at, long old) {
            return P2mEntry.is(old, from) ? P2mEntry.withType(old, to) : old;
          }

          @Override
          public void visited(long at, long pages, long old) {
            changed += P2mEntry.is(old, from) ? pages : 0;
          }
        };
    rewrite(gfn, count, counter);
    return counter.changed;
  }

  private void rewrite(long gfn, long count, Rewrite rewrite) {
    long end = gfn + count;
    for (long at = gfn; at < end; ) {
      int giga = giga(at);
      long next = Math.min(end, (long) (giga + 1) << ORDER_1G);
      long old = huge[giga];
      if (!P2mEntry.isLeaf(old)) {
        rewriteInGiga(at, next, rewrite);
      } else {
        long first = P2mEntry.at(old, at & PAGES_1G - 1);
        long entry = rewrite.entry(at, first);
        if (entry == first) {
          rewrite.visited(at, next - at, first);
        } else if (next - at == PAGES_1G && P2mEntry.isAligned(entry, ORDER_1G)) {
          ENTRY.setRelease(huge, giga, entry);
          rewrite.visited(at, next - at, first);
        } else {
          splitGiga(giga);
          rewriteInGiga(at, next, rewrite);
        }
      }
      at = next;
    }
  }

  private void rewriteInGiga(long gfn, long end, Rewrite rewrite) {
    int giga = giga(gfn);
    long[] table = large[giga];
    for (long at = gfn; at < end; ) {
      int mega = mega(at);
      long next = Math.min(end, (at >>> ORDER_2M) + 1 << ORDER_2M);
      if (leaf(giga, mega) != null) {
        rewriteInMega(at, next, rewrite);
      } else {
        long first = P2mEntry.at(table[mega], page(at));
        long entry = rewrite.entry(at, first);
        if (entry == first) {
          rewrite.visited(at, next - at, first);
        } else if (next - at == PAGES_2M && P2mEntry.isAligned(entry, ORDER_2M)) {
          ENTRY.setRelease(table, mega, entry);
          rewrite.visited(at, next - at, first);
        } else {
          splitMega(giga, mega);
          rewriteInMega(at, next, rewrite);
        }
      }
      at = next;
    }
    mergeGiga(giga);
  }

  private void rewriteInMega(long gfn, long end, Rewrite rewrite) {
    int giga = giga(gfn);
    int mega = mega(gfn);
    long[] leaf = leaf(giga, mega);
    for (long at = gfn; at < end; at++) {
      int page = page(at);
      long old = leaf[page];
      ENTRY.setRelease(leaf, page, rewrite.entry(at, old));
      rewrite.visited(at, 1, old);
    }
    mergeMega(giga, mega);
  }

  /** Changes one page; splits and merges as need be. */
  private void store(long gfn, long stored) {
    int giga = giga(gfn);
    int mega = mega(gfn);
    if (P2mEntry.isLeaf(huge[giga])) {
      splitGiga(giga);
    }
    long[] leaf = leaf(giga, mega);
    if (leaf == null) {
      leaf = splitMega(giga, mega);
    }
    ENTRY.setRelease(leaf, page(gfn), stored);
    if (mergeMega(giga, mega)) {
      mergeGiga(giga);
    }
  }

  private void splitGiga(int giga) {
    large[giga] = spread(huge[giga], PAGES_2M);
    ENTRY.setRelease(huge, giga, P2mEntry.TABLE);
    tables++;
  }

  private long[] splitMega(int giga, int mega) {
    long[] leaf = spread(large[giga][mega], 1);
    if (leaves[giga] == null) {
      TABLES.setRelease(leaves, giga, new long[ENTRIES][]);
    }
    TABLE.setRelease(leaves[giga], mega, leaf);
    tables++;
    return leaf;
  }

  private static long[] spread(long stored, long pagesAnEntry) {
    long[] table = new long[ENTRIES];
    for (int i = 0; i < ENTRIES; i++) {
      table[i] = P2mEntry.at(stored, i * pagesAnEntry);
    }
    return table;
  }

  private boolean mergeMega(int giga, int mega) {
    long[] leaf = leaf(giga, mega);
    if (!isOnePage(leaf, ORDER_2M)) {
      return false;
    }
    ENTRY.setRelease(large[giga], mega, leaf[0]);
    TABLE.setRelease(leaves[giga], mega, null);
    tables--;
    return true;
  }

  private void mergeGiga(int giga) {
    long[] table = large[giga];
    if (!isOnePage(table, ORDER_1G) || hasLeaves(giga)) {
      return;
    }
    ENTRY.setRelease(huge, giga, table[0]);
    TABLES.setRelease(leaves, giga, null);
    TABLE.setRelease(large, giga, null);
    tables--;
  }

  private static boolean isOnePage(long[] table, int order) {
    long first = table[0];
    long step = 1L << order - ORDER_2M;
    if (table[IN_TABLE] != P2mEntry.at(first, IN_TABLE * step)
        || !P2mEntry.isAligned(first, order)) {
      return false;
    }
    for (int i = 1; i < IN_TABLE; i++) {
      if (table[i] != P2mEntry.at(first, i * step)) {
        return false;
      }
    }
    return true;
  }

  private boolean hasLeaves(int giga) {
    if (leaves[giga] != null) {
      for (long[] leaf : leaves[giga]) {
        if (leaf != null) {
          return true;
        }
      }
    }
    return false;
  }

  private long[] leaf(int giga, int mega) {
    long[][] ofGiga = leaves[giga];
    return ofGiga == null ? null : ofGiga[mega];
  }

  private static int giga(long gfn) {
    return (int) (gfn >>> ORDER_1G);
  }

  private static int mega(long gfn) {
    return (int) (gfn >>> ORDER_2M) & IN_TABLE;
  }

  private static int page(long gfn) {
    return (int) gfn & IN_TABLE;
  }

  private static long stored(long mfn, long count, P2mType type) {
    boolean fits =
        type.hasFrame()
            ? mfn >= 0 && mfn <= P2mEntry.MAX_FRAMES - count && count <= P2mEntry.MAX_FRAMES
            : mfn == 0;
    if (!fits) {
      throw new IllegalArgumentException(
          "no such machine frames: type=%s mfn=0x%x count=%d".formatted(type, mfn, count));
    }
    return P2mEntry.of(mfn, type);
  }

  private void check(long gfn, long count) {
    if (!contains(gfn, count)) {
      throw new IllegalArgumentException(
          "beyond the map: gfn=0x%x count=%d limit=0x%x".formatted(gfn, count, limit));
    }
  }
}
