package dev.domus.iommu;

import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Which requester has which domain: the root table and the context tables of VT-d's legacy mode, in
 * machine frames (Intel VT-d, 3.4.2, 9.1 <i>Root Entry</i>, 9.3 <i>Context Entry</i>).
 *
 * <pre>
 *   root table, by bus           63                     12 11        1   0
 *                          low  +-------------------------+-----------+---+
 *                               |     context table       |     0     | P |   high: 0
 *                               +-------------------------+-----------+---+
 *   context table, by device     63                     12 11   4 3  2   1   0
 *   and function           low  +-------------------------+------+----+---+---+
 *                               |  second-level root      |   0  | TT |FPD| P |
 *                               +-------------------------+------+----+---+---+
 *                                63          24 23       8  7  6     3 2     0
 *                          high +--------------+----------+---+-------+-------+
 *                               |       0      | domain id| 0 |ignored|  AW   |
 *                               +--------------+----------+---+-------+-------+
 * </pre>
 *
 * <p>TT: 0 second-level translation, 2 pass-through. AW: 1, 2, 3 for 3, 4, 5 levels. Domain ids
 * have 12 bits (capability ND = 4); higher bits are reserved.
 *
 * <p>A present entry is changed in two steps, never in one of its halves: not present, invalidate,
 * then the new one, high half first (6.8.3, <i>Caching mode</i>, tells software to). Callers hold
 * the unit's lock.
 */
final class RequesterTables {
  /** Translation types. */
  static final int SECOND_LEVEL = 0, PASS_THROUGH = 2;

  /** Entry bits. */
  static final long P = 1, FPD = 2;

  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final int TT_SHIFT = 2;
  private static final int DID_SHIFT = 8;
  private static final long DID = 0xFFFF;
  private static final long ROOT_RESERVED = 0xFFE;
  private static final long CONTEXT_RESERVED_LOW = 0xFF0;
  private static final long CONTEXT_RESERVED_HIGH = -(1L << 20) | 1 << 7; // DID: 12 bits
  private static final int FRAME = MachineMemory.FRAME_SHIFT;

  private final MemorySegment memory;
  private final TableFrames frames;
  private final SecondLevelFormat format;
  private final boolean passThrough;
  private final long root;

  RequesterTables(
      MemorySegment memory, TableFrames frames, SecondLevelFormat format, boolean passThrough) {
    this.memory = memory;
    this.frames = frames;
    this.format = format;
    this.passThrough = passThrough;
    long mfn = frames.take(0);
    if (mfn == TableFrames.NONE) {
      throw IommuUnit.noMemory("the root table");
    }
    root = mfn << FRAME;
  }

  /** Machine address of the root table. */
  long root() {
    return root;
  }

  private long rootEntryAt(int requester) {
    return root + (long) (requester >>> 8) * 16;
  }

  private static long contextEntryAt(long table, int requester) {
    return table + (requester & 0xFF) * 16L;
  }

  private long load(long ma) {
    return (long) LONG.getVolatile(memory, ma);
  }

  private void store(long ma, long value) {
    LONG.setVolatile(memory, ma, value);
  }

  /** Makes sure that a requester has a context entry; false if there is no memory for its table. */
  boolean prepare(int requester) {
    long at = rootEntryAt(requester);
    if ((load(at) & P) == 0) {
      long mfn = frames.take(0);
      if (mfn == TableFrames.NONE) {
        return false;
      }
      store(at, mfn << FRAME | P);
    }
    return true;
  }

  /** Clears a requester's entry. What is cached of it is the caller's to invalidate. */
  void clear(int requester) {
    long rootEntry = load(rootEntryAt(requester));
    if ((rootEntry & P) != 0) {
      store(contextEntryAt(rootEntry & SecondLevelFormat.ADDRESS, requester), 0);
    }
  }

  /** Sets a requester's entry, which was prepared and is clear. */
  void set(int requester, int type, long secondLevelRoot, int levels, int did) {
    long table = load(rootEntryAt(requester)) & SecondLevelFormat.ADDRESS;
    long at = contextEntryAt(table, requester);
    store(at + 8, (long) did << DID_SHIFT | levels - 2);
    store(at, secondLevelRoot | (long) type << TT_SHIFT | P);
  }

  /** Walks the tables as the hardware does. */
  RequesterContext resolve(int requester) {
    long size = memory.byteSize();
    long rootEntry = load(rootEntryAt(requester));
    long rootHigh = load(rootEntryAt(requester) + 8);
    if ((rootEntry & P) == 0) {
      return RequesterContext.faulty(FaultReason.ROOT_NOT_PRESENT, true);
    }
    long beyond = format.reserved(LEVEL_OF_TABLES, false) & SecondLevelFormat.ADDRESS;
    if ((rootEntry & (ROOT_RESERVED | beyond)) != 0 || rootHigh != 0) {
      return RequesterContext.faulty(FaultReason.ROOT_RESERVED, true);
    }
    long table = rootEntry & ~P;
    if (Long.compareUnsigned(table, size) >= 0) {
      return RequesterContext.faulty(FaultReason.CONTEXT_INACCESSIBLE, true);
    }
    long low = load(contextEntryAt(table, requester));
    long high = load(contextEntryAt(table, requester) + 8);
    boolean records = (low & FPD) == 0;
    if ((low & P) == 0) {
      return RequesterContext.faulty(FaultReason.CONTEXT_NOT_PRESENT, records);
    }
    if ((low & (CONTEXT_RESERVED_LOW | beyond)) != 0 || (high & CONTEXT_RESERVED_HIGH) != 0) {
      return RequesterContext.faulty(FaultReason.CONTEXT_RESERVED, records);
    }
    int type = (int) (low >>> TT_SHIFT) & 3;
    int levels = (int) (high & 7) + 2;
    int did = (int) (high >>> DID_SHIFT & DID);
    boolean through = type == PASS_THROUGH && passThrough;
    if (type != SECOND_LEVEL && !through || levels < 3 || levels > 5 || did == 0) {
      return RequesterContext.faulty(FaultReason.CONTEXT_INVALID, records);
    }
    long secondLevel = low & SecondLevelFormat.ADDRESS;
    if (!through && secondLevel >= size) {
      return RequesterContext.faulty(FaultReason.TABLE_INACCESSIBLE, records);
    }
    return new RequesterContext(DmaPort.OK, did, secondLevel, through ? 0 : levels, records);
  }

  private static final int LEVEL_OF_TABLES = 1;

  /** Gives all tables back; nobody walks them any more. */
  void free() {
    for (int bus = 0; bus < RequesterId.BUSES; bus++) {
      long entry = load(root + bus * 16L);
      if ((entry & P) != 0) {
        frames.give(entry >>> FRAME, 0);
      }
    }
    frames.give(root >>> FRAME, 0);
  }
}
