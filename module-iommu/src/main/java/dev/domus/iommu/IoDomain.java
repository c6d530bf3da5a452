package dev.domus.iommu;

import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * A domain of translation: what the requesters that are attached to it reach, by which address. Its
 * tables are VT-d's second-level ones ({@link SecondLevelFormat}), in machine frames.
 *
 * <h2>Life of a page</h2>
 *
 * {@link #map} makes it reachable. {@link #withdraw} takes it out of the tables, but devices may go
 * on with what they have cached until an invalidation: {@link #flush} of all that was withdrawn so
 * far. {@link #unmap} is both, for one range: when it returns no device reaches the range, and none
 * that did is still in the middle of it. Frames that are unmapped may have another owner; frames
 * that are only withdrawn may not, before a flush has returned.
 *
 * <h2>Concurrency</h2>
 *
 * Entries are changed by compare-and-set inside a {@link TableGate}: threads that map and unmap
 * pages run beside each other, and devices walk the tables meanwhile. Whoever takes a table away,
 * splits a large page or makes one of a full table shuts the gate for that moment. Two threads that
 * map the same page: one is told {@link #OCCUPIED}. Two that unmap it: one of them counts it.
 *
 * <h2>Tables</h2>
 *
 * Pages are the largest that address, frame and number allow. A part of a large page that is
 * withdrawn splits it. A table that is full of one contiguous run becomes a large page. A table
 * goes when all of its range is withdrawn in one call, not when its last page happens to go: the
 * next mapping is likely to be in it. Tables that are out of the tree may still be walked or
 * cached; their frames are given back by the flush that comes after, never before.
 *
 * <h2>Failure</h2>
 *
 * A map that fails maps nothing: what it had mapped is unmapped again. A withdrawal that would have
 * to split a large page and gets no frame for it changes nothing. Both are results, not exceptions,
 * because a guest can bring them about. Addresses beyond the domain's width are the caller's fault.
 *
 * <p>Mapping and unmapping single pages allocates nothing on the Java heap.
 */
public final class IoDomain implements AutoCloseable {
  /** Result: done. */
  public static final int OK = 0;

  /** Result: a page of the range is mapped already; nothing was changed. */
  public static final int OCCUPIED = -1;

  /** Result: the machine has no frame for a table; nothing was changed. */
  public static final int NO_MEMORY = -2;

  /** Permission: devices may read, write. */
  public static final int READ = 1, WRITE = 2;

  /** With a permission: accesses snoop processor caches (if the unit has snoop control). */
  public static final int SNOOP = 1 << 11;

  private static final VarHandle ENTRY = ValueLayout.JAVA_LONG.varHandle();
  private static final long ADDRESS = SecondLevelFormat.ADDRESS;
  private static final int ENTRIES = SecondLevelFormat.ENTRIES;
  private static final int FRAME = MachineMemory.FRAME_SHIFT;

  private final IommuUnit unit;
  private final MemorySegment memory;
  private final TableFrames frames;
  private final int largestLeaf;
  private final boolean snoopControl;
  private final int did;
  private final int levels;
  private final boolean joins;
  private final long root;
  private final TableGate gate = new TableGate();

  /** Tables that are out of the tree and not given back yet; changed under the shut gate. */
  private final RetiredTables retired = new RetiredTables();

  /** How often a large page was cut; under the shut gate. */
  private volatile int splits;

  IoDomain(IommuUnit unit, UnitSettings settings, int did, int levels, boolean joins, long root) {
    this.joins = joins && settings.largestLeaf() > 1;
    this.unit = unit;
    this.memory = unit.memory();
    this.frames = unit.frames();
    this.largestLeaf = settings.largestLeaf();
    this.snoopControl = settings.snoopControl();
    this.did = did;
    this.levels = levels;
    this.root = root;
  }

  /** The domain id in context entries and invalidations. */
  public int id() {
    return did;
  }

  /** Levels of the tables, 3 to 5. */
  public int levels() {
    return levels;
  }

  /** Number of pages that the domain has addresses for. */
  public long pages() {
    return 1L << 9 * levels;
  }

  /** Machine address of the topmost table. */
  long root() {
    return root;
  }

  private void check(long iova, long pages) {
    if ((iova & MachineMemory.FRAME_BYTES - 1) != 0
        || pages <= 0
        || Long.compareUnsigned(iova >>> FRAME, pages()) >= 0
        || pages > pages() - (iova >>> FRAME)) {
      throw new IllegalArgumentException(
          "no such pages in an I/O address space of %d levels: iova=0x%x pages=%d"
              .formatted(levels, iova, pages));
    }
  }

  private long flags(int permissions) {
    if ((permissions & (READ | WRITE)) == 0 || (permissions & ~(READ | WRITE | SNOOP)) != 0) {
      throw new IllegalArgumentException(
          "no such permissions: permissions=0x%x".formatted(permissions));
    }
    return snoopControl ? permissions : permissions & ~SNOOP;
  }

  private void checkFrames(long mfn, long count) {
    long all = memory.byteSize() >>> FRAME;
    if (mfn < 0 || count > all || mfn > all - count) {
      throw new IllegalArgumentException(
          "the machine has no such frames: mfn=%d count=%d".formatted(mfn, count));
    }
  }

  // ---- mapping

  /**
   * Makes frames that follow each other reachable.
   *
   * @param iova address of the first page
   * @param mfn the first frame
   * @param pages how many
   * @param permissions {@link #READ}, {@link #WRITE} or both, with {@link #SNOOP}
   * @return {@link #OK}, {@link #OCCUPIED} or {@link #NO_MEMORY}
   */
  public int map(long iova, long mfn, long pages, int permissions) {
    check(iova, pages);
    checkFrames(mfn, pages);
    long flags = flags(permissions);
    long done = 0;
    int result = OK;
    long full = -1;
    int stripe = gate.enter();
    try {
      while (done < pages && result >= 0) {
        long at = iova + (done << FRAME);
        result = place(at, mfn + done, pages - done, flags);
        if (result >= 0) {
          done += SecondLevelFormat.pages(result);
          full = joins && result == 1 && full < 0 && looksFull(at) ? at : full;
        }
      }
    } finally {
      gate.leave(stripe);
    }
    if (result < 0) {
      undo(iova, done);
      return result;
    }
    if (full >= 0) {
      merge(full, iova + (pages - 1 << FRAME));
    }
    return OK;
  }

  /**
   * Makes frames reachable as one range of addresses.
   *
   * @param iova address of the first page
   * @param mfns the frames
   * @param from index of the first one
   * @param count how many
   * @param permissions as for one
   * @return {@link #OK}, {@link #OCCUPIED} or {@link #NO_MEMORY}
   */
  public int map(long iova, long[] mfns, int from, int count, int permissions) {
    check(iova, count);
    long flags = flags(permissions);
    for (int i = from; i < from + count; i++) {
      checkFrames(mfns[i], 1);
    }
    int done = 0;
    int result = OK;
    int stripe = gate.enter();
    try {
      long table = -1;
      while (done < count) {
        long at = iova + ((long) done << FRAME);
        if (table < 0 || (at >>> FRAME & ENTRIES - 1) == 0) {
          table = tableFor(at, 1);
        }
        if (table < 0) {
          result = (int) table;
          break;
        }
        long entryAt = SecondLevelFormat.entryAt(table, at, 1);
        if (!ENTRY.compareAndSet(memory, entryAt, 0L, mfns[from + done] << FRAME | flags)) {
          result = OCCUPIED;
          break;
        }
        done++;
      }
    } finally {
      gate.leave(stripe);
    }
    if (result < 0) {
      undo(iova, done);
    }
    return result;
  }

  private void undo(long iova, long done) {
    if (done > 0) {
      // What was mapped is gone again without a new table: it is withdrawn as it was placed.
      unmap(iova, done);
    }
  }

  /** Maps one page of the largest size that fits; its level, or what is wrong. */
  private int place(long iova, long mfn, long pages, long flags) {
    long alignment = iova >>> FRAME | mfn;
    int level = largestLeaf;
    while (level > 1
        && (SecondLevelFormat.pages(level) > pages
            || (alignment & SecondLevelFormat.pages(level) - 1) != 0)) {
      level--;
    }
    for (; ; level--) {
      long table = tableFor(iova, level);
      if (table < 0) {
        return (int) table;
      }
      long entry = mfn << FRAME | flags | (level > 1 ? SecondLevelFormat.PS : 0);
      long at = SecondLevelFormat.entryAt(table, iova, level);
      long old = (long) ENTRY.compareAndExchange(memory, at, 0L, entry);
      if (old == 0) {
        return level;
      }
      if (SecondLevelFormat.isLeaf(old, level)) {
        return OCCUPIED;
      }
      // A table, perhaps an empty one: its entries are filled, and become one page if they can.
    }
  }

  /** Machine address of the table of a level for an address, made if need be; or what is wrong. */
  private long tableFor(long iova, int target) {
    long table = root;
    for (int level = levels; level > target; level--) {
      long at = SecondLevelFormat.entryAt(table, iova, level);
      long entry = (long) ENTRY.getVolatile(memory, at);
      if (entry == 0) {
        long mfn = frames.take(0);
        if (mfn == TableFrames.NONE) {
          return NO_MEMORY;
        }
        long made = mfn << FRAME | SecondLevelFormat.RIGHTS;
        entry = (long) ENTRY.compareAndExchange(memory, at, 0L, made);
        if (entry == 0) {
          entry = made;
        } else {
          frames.give(mfn, 0); // another thread was first
        }
      }
      if (SecondLevelFormat.isLeaf(entry, level)) {
        return OCCUPIED;
      }
      table = entry & ADDRESS;
    }
    return table;
  }

  /** The entry of an address at a level, if there is a table for it; 0 otherwise. */
  private long entryAddress(long iova, int target) {
    long table = root;
    for (int level = levels; level > target; level--) {
      long entry = (long) ENTRY.getVolatile(memory, SecondLevelFormat.entryAt(table, iova, level));
      if (entry == 0 || SecondLevelFormat.isLeaf(entry, level)) {
        return 0;
      }
      table = entry & ADDRESS;
    }
    return SecondLevelFormat.entryAt(table, iova, target);
  }

  // ---- large pages of full tables

  /**
   * Whether the table of an address looks like one large page; the last entry is compared first,
   * because most tables that are not full differ there.
   */
  private boolean looksFull(long iova) {
    long at = entryAddress(iova, 1);
    if (at == 0) {
      return false;
    }
    long table = at & -1L << FRAME;
    long first = (long) ENTRY.getOpaque(memory, table);
    if ((first >>> FRAME & ENTRIES - 1) != 0) {
      return false;
    }
    for (int i = ENTRIES - 1; i > 0; i--) {
      if (!SecondLevelFormat.isRunOf(first, (long) ENTRY.getOpaque(memory, table + i * 8L), i, 1)) {
        return false;
      }
    }
    return true;
  }

  private void merge(long first, long last) {
    boolean any = false;
    gate.shut();
    try {
      long step = 1L << SecondLevelFormat.shift(2);
      for (long at = first & -step; Long.compareUnsigned(at, last) <= 0; at += step) {
        any |= mergeAt(at, 2);
      }
      if (any && largestLeaf > 2) {
        step = 1L << SecondLevelFormat.shift(3);
        for (long at = first & -step; Long.compareUnsigned(at, last) <= 0; at += step) {
          mergeAt(at, 3);
        }
      }
    } finally {
      gate.open();
    }
    if (any) {
      flush();
    }
  }

  private boolean mergeAt(long iova, int level) {
    long at = entryAddress(iova, level);
    long entry = at == 0 ? 0 : (long) ENTRY.getVolatile(memory, at);
    if (entry == 0 || SecondLevelFormat.isLeaf(entry, level)) {
      return false;
    }
    long table = entry & ADDRESS;
    long first = (long) ENTRY.getVolatile(memory, table);
    if (!SecondLevelFormat.isPresent(first)
        || !SecondLevelFormat.isLeaf(first, level - 1)
        || (first & ADDRESS & (1L << SecondLevelFormat.shift(level)) - 1) != 0) {
      return false;
    }
    for (int i = 1; i < ENTRIES; i++) {
      if (!SecondLevelFormat.isRunOf(
          first, (long) ENTRY.getVolatile(memory, table + i * 8L), i, level - 1)) {
        return false;
      }
    }
    ENTRY.setVolatile(memory, at, first | SecondLevelFormat.PS);
    retired.add(table >>> FRAME);
    return true;
  }

  // ---- withdrawing

  /**
   * Takes pages out of the tables; those that are not mapped stay so. Devices may still reach them,
   * through what is cached, until {@link #flush} has returned.
   *
   * @param iova address of the first page
   * @param pages how many
   * @return how many of them had been mapped, or {@link #NO_MEMORY}, with nothing changed
   */
  public long withdraw(long iova, long pages) {
    check(iova, pages);
    int stripe = gate.enter();
    try {
      if (pages == 1) {
        long at = entryAddress(iova, 1);
        if (at != 0) {
          return (long) ENTRY.getAndSet(memory, at, 0L) != 0 ? 1 : 0;
        }
      }
      if (!needsTheGateShut(iova, pages)) {
        return clear(iova, pages);
      }
    } finally {
      gate.leave(stripe);
    }
    gate.shut();
    try {
      long end = iova + (pages << FRAME);
      if (!splitAt(iova) || end >>> FRAME != pages() && !splitAt(end)) {
        return NO_MEMORY;
      }
      long cleared = clear(iova, pages);
      long first = iova >>> FRAME;
      prune(root, levels, 0, first, first + pages);
      return cleared;
    } finally {
      gate.open();
    }
  }

  /** Whether the range covers all of a table, or cuts a large page. */
  private boolean needsTheGateShut(long iova, long pages) {
    long end = iova + (pages << FRAME);
    return pages >= ENTRIES || cuts(iova) || end >>> FRAME != pages() && cuts(end);
  }

  /** Whether an address lies inside a large page and not at its beginning. */
  private boolean cuts(long iova) {
    for (int level = Math.min(levels, largestLeaf); level > 1; level--) {
      long at = entryAddress(iova, level);
      long entry = at == 0 ? 0 : (long) ENTRY.getVolatile(memory, at);
      if (entry != 0
          && SecondLevelFormat.isLeaf(entry, level)
          && (iova & (1L << SecondLevelFormat.shift(level)) - 1) != 0) {
        return true;
      }
    }
    return false;
  }

  /** Clears the leaves of a range, none of which is cut by its ends. */
  private long clear(long iova, long pages) {
    long cleared = 0;
    for (long done = 0; done < pages; ) {
      long at = iova + (done << FRAME);
      int level = 1;
      long entryAt = entryAddress(at, level);
      while (entryAt == 0 && level < levels) {
        entryAt = entryAddress(at, ++level);
      }
      long span = SecondLevelFormat.pages(level);
      if (level == 1) {
        int inTable = ENTRIES - (int) (at >>> FRAME & ENTRIES - 1);
        int count = (int) Math.min(inTable, pages - done);
        for (int i = 0; i < count; i++) {
          long entry = entryAt + i * 8L;
          if ((long) ENTRY.getOpaque(memory, entry) != 0
              && (long) ENTRY.getAndSet(memory, entry, 0L) != 0) {
            cleared++;
          }
        }
        done += count;
      } else {
        long entry = (long) ENTRY.getVolatile(memory, entryAt);
        if (entry != 0
            && SecondLevelFormat.isLeaf(entry, level)
            && ENTRY.compareAndSet(memory, entryAt, entry, 0L)) {
          cleared += span;
        }
        done += span - (at >>> FRAME & span - 1);
      }
    }
    return cleared;
  }

  // ---- under the shut gate

  /** Makes an address the beginning of a page; false if there is no frame for a table. */
  private boolean splitAt(long iova) {
    for (int level = Math.min(levels, largestLeaf); level > 1; level--) {
      long at = entryAddress(iova, level);
      long entry = at == 0 ? 0 : (long) ENTRY.getVolatile(memory, at);
      if (entry != 0
          && SecondLevelFormat.isLeaf(entry, level)
          && (iova & (1L << SecondLevelFormat.shift(level)) - 1) != 0) {
        long mfn = frames.take(0);
        if (mfn == TableFrames.NONE) {
          return false;
        }
        long first = level == 2 ? entry & ~SecondLevelFormat.PS : entry;
        long step = 1L << SecondLevelFormat.shift(level - 1);
        for (int i = 0; i < ENTRIES; i++) {
          ENTRY.setOpaque(memory, (mfn << FRAME) + i * 8L, first + i * step);
        }
        ENTRY.setVolatile(memory, at, mfn << FRAME | SecondLevelFormat.RIGHTS);
        splits++;
      }
    }
    return true;
  }

  /** Takes tables away of which all addresses are in the range; they are empty. */
  private void prune(long table, int level, long tableFirst, long first, long end) {
    long span = SecondLevelFormat.pages(level);
    long from = Math.max(0, (first - tableFirst) / span);
    long to = Math.min(ENTRIES, (end - tableFirst + span - 1) / span);
    for (long i = from; i < to; i++) {
      long at = table + i * 8;
      long entry = (long) ENTRY.getVolatile(memory, at);
      if (entry != 0 && !SecondLevelFormat.isLeaf(entry, level)) {
        long page = tableFirst + i * span;
        if (level > 2) {
          prune(
              entry & ADDRESS, level - 1, page, Math.max(first, page), Math.min(end, page + span));
        }
        if (page >= first && page + span <= end) {
          ENTRY.setVolatile(memory, at, 0L);
          retired.add((entry & ADDRESS) >>> FRAME);
        }
      }
    }
  }

  // ---- invalidating

  /**
   * Takes pages away from the devices: when it returns none reaches them, and none that did is
   * still in the middle of it.
   *
   * @return how many had been mapped, or {@link #NO_MEMORY}, with nothing changed
   */
  public long unmap(long iova, long pages) {
    int splitsBefore = splits;
    long done = withdraw(iova, pages);
    if (done != NO_MEMORY) {
      if (!retired.isEmpty() || splits != splitsBefore) {
        flush(); // who walked to a large page or a table may keep it beyond this range
      } else {
        unit.invalidation().pages(did, iova, iova + (pages << FRAME) - 1);
      }
    }
    return done;
  }

  /**
   * Makes all that was withdrawn before the call unreachable, as {@link #unmap} does, and gives
   * back the frames of tables that went with it.
   */
  public void flush() {
    long[] given = RetiredTables.NONE;
    if (!retired.isEmpty()) {
      gate.shut();
      try {
        given = retired.takeAll();
      } finally {
        gate.open();
      }
    }
    unit.invalidation().domain(did);
    for (long mfn : given) {
      frames.give(mfn, 0);
    }
  }

  // ---- looking

  /**
   * What the tables say of an address: machine address of its page and permissions, or 0. May be
   * old at once.
   */
  public long lookup(long iova) {
    check(iova & -1L << FRAME, 1);
    int stripe = gate.enter();
    try {
      long table = root;
      for (int level = levels; ; level--) {
        long entry =
            (long) ENTRY.getVolatile(memory, SecondLevelFormat.entryAt(table, iova, level));
        if (entry == 0) {
          return 0;
        }
        if (SecondLevelFormat.isLeaf(entry, level)) {
          long inside = iova & (1L << SecondLevelFormat.shift(level)) - 1 & -1L << FRAME;
          return (entry & ~SecondLevelFormat.PS) + inside;
        }
        table = entry & ADDRESS;
      }
    } finally {
      gate.leave(stripe);
    }
  }

  /**
   * Ends the domain and gives its tables back.
   *
   * @throws IllegalStateException if a requester is attached to it
   */
  @Override
  public void close() {
    unit.close(this);
  }

  /** Gives the tables back; no requester has the domain and nothing of it is cached. */
  void free() {
    gate.shut();
    try {
      frames.giveTree(memory, root, levels);
      for (long mfn : retired.takeAll()) {
        frames.give(mfn, 0);
      }
    } finally {
      gate.open();
    }
  }
}
