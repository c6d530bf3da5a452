package dev.domus.iommu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Translates what a device addresses: IOTLB, else paging-structure cache and walk (Intel VT-d, 3.7
 * and 6.2). The answer is one {@code long}, so nothing is allocated: the machine address of the
 * byte, or the complement of a {@link FaultReason}'s code.
 *
 * <p>Whoever calls has announced the access ({@link Announcements}); what is kept here is withdrawn
 * on that condition.
 *
 * <p>A kept translation that does not permit the access is not believed: the tables are walked, so
 * permissions that were added need no invalidation. Nothing is kept of addresses that are not
 * mapped (caching mode is off, 6.1).
 */
final class SecondLevelWalk {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final int SMALL_SETS_ORDER = 9;
  private static final int LARGE_SETS_ORDER = 7;
  private static final int PAGE_4K = 12;
  private static final int PAGE_2M = 21;
  private static final long RIGHTS = SecondLevelFormat.RIGHTS;
  private static final long ADDRESS = SecondLevelFormat.ADDRESS;

  private final MemorySegment memory;
  private final SecondLevelFormat format;

  /** Pages of 4 KiB: 1,536 of them. */
  final TranslationCache small = new TranslationCache(SMALL_SETS_ORDER, PAGE_4K);

  /** Pages of 2 MiB and pieces of larger ones: 384. */
  final TranslationCache large = new TranslationCache(LARGE_SETS_ORDER, PAGE_2M);

  /** Tables of level 1: 384. */
  final TranslationCache tables = new TranslationCache(LARGE_SETS_ORDER, PAGE_2M);

  /** Whether there ever was a large page; without any, misses do not look for one. */
  private volatile boolean hasLarge;

  SecondLevelWalk(MemorySegment memory, SecondLevelFormat format) {
    this.memory = memory;
    this.format = format;
  }

  /**
   * Translates one address.
   *
   * @param context the requester's, with translation or pass-through
   * @param iova the address
   * @param need {@link SecondLevelFormat#R} or {@link SecondLevelFormat#W}
   * @return a machine address inside the machine's memory, good up to the end of its 4 KiB frame;
   *     or the complement of a fault reason
   */
  long translate(RequesterContext context, long iova, long need) {
    long page = small.find(small.key(context.did(), iova));
    return (page & need) != 0 ? page & ADDRESS | iova & 0xFFF : miss(context, iova, need);
  }

  private long miss(RequesterContext context, long iova, long need) {
    if (context.levels() == 0) {
      return Long.compareUnsigned(iova, memory.byteSize()) < 0
          ? iova
          : ~FaultReason.BEYOND_ADDRESS_WIDTH.code();
    }
    if (hasLarge) {
      long page = large.find(large.key(context.did(), iova));
      if ((page & need) != 0) {
        return page & ADDRESS | iova & (1 << PAGE_2M) - 1;
      }
    }
    return walk(context, iova, need);
  }

  private long walk(RequesterContext context, long iova, long need) {
    if (iova >>> context.addressBits() != 0) {
      return ~FaultReason.BEYOND_ADDRESS_WIDTH.code();
    }
    int did = context.did();
    long size = memory.byteSize();
    long table = context.root();
    long rights = RIGHTS;
    int level = context.levels();
    long kept = tables.find(tables.key(did, iova));
    if (kept != TranslationCache.MISS) {
      table = kept & ADDRESS;
      rights = kept & RIGHTS;
      level = 1;
    }
    while (true) {
      long entry = (long) LONG.getVolatile(memory, SecondLevelFormat.entryAt(table, iova, level));
      if (!SecondLevelFormat.isPresent(entry)) {
        return notPermitted(need);
      }
      boolean leaf = SecondLevelFormat.isLeaf(entry, level);
      if ((entry & format.reserved(level, leaf)) != 0) {
        return ~FaultReason.ENTRY_RESERVED.code();
      }
      rights &= entry;
      if (leaf) {
        return (rights & need) == 0
            ? notPermitted(need)
            : keep(did, iova, entry & ADDRESS, level, rights, size);
      }
      table = entry & ADDRESS;
      if (table >= size) {
        return ~FaultReason.TABLE_INACCESSIBLE.code();
      }
      if (level == 2 && rights != 0) {
        tables.insert(tables.key(did, iova), table | rights);
      }
      level--;
    }
  }

  private long keep(int did, long iova, long base, int level, long rights, long size) {
    long address = base | iova & (1L << SecondLevelFormat.shift(level)) - 1;
    if (address >= size) {
      return ~FaultReason.ENTRY_RESERVED.code(); // an address bit that this machine has not
    }
    if (MessageAddress.isInRange(address)) {
      return ~FaultReason.OUTPUT_IS_INTERRUPT.code();
    }
    if (level == 1 || isNearEdge(address, size)) {
      small.insert(small.key(did, iova), address & ADDRESS | rights);
    } else {
      if (!hasLarge) {
        hasLarge = true;
      }
      large.insert(large.key(did, iova), address & -1L << PAGE_2M | rights);
    }
    return address;
  }

  /** Whether not all of the 2 MiB around an address may be had for being one page. */
  private static boolean isNearEdge(long address, long size) {
    long first = address & -1L << PAGE_2M;
    return first + (1 << PAGE_2M) > size
        || first <= MessageAddress.LAST && first + (1 << PAGE_2M) > MessageAddress.FIRST;
  }

  private static long notPermitted(long need) {
    FaultReason reason = need == SecondLevelFormat.W ? FaultReason.NO_WRITE : FaultReason.NO_READ;
    return ~reason.code();
  }
}
