package dev.domus.toolstack.build;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;

/**
 * Which page tables a domain's first address space has, and in which frames they are. A table is
 * known by its level (4 is the root) and by the part of virtual addresses that leads to it:
 *
 * <pre>
 *   level L:  index = va[47 : 12 + 9·L]         covers 2^(12 + 9·L) bytes
 * </pre>
 *
 * Tables are placed top-down, L4 first: guests take pt_base for the L4. A second range of addresses
 * is given only those tables that the first does not have yet.
 */
public final class TablePlan {
  /** The part of a virtual address that the tables translate. */
  private static final long VA_MASK = (1L << 48) - 1;

  private static final int ROOT_LEVEL = 4;

  private final Map<Table, Long> pfns = new LinkedHashMap<>();
  private final Set<Long> tableFrames = new HashSet<>();

  /**
   * A table.
   *
   * @param level 1 to 4
   * @param index the bits of virtual addresses that lead to it
   */
  public record Table(int level, long index) {
    /** The table that has the entry of a virtual address, on a level. */
    static Table of(int level, long va) {
      return new Table(level, (va & VA_MASK) >>> coverShift(level));
    }

    /** The virtual address, without its sign, that an entry of an L1 table translates. */
    long va(int entry) {
      return index << coverShift(level) | (long) entry << PageRange.PAGE_SHIFT;
    }

    /** The table one level down that an entry names. */
    Table child(int entry) {
      return new Table(level - 1, index << 9 | entry);
    }
  }

  private static int coverShift(int level) {
    return PageRange.PAGE_SHIFT + 9 * level;
  }

  /** How many tables a range takes; the range is not empty and is the guest's. */
  static long count(AddressRange range) {
    return countBeside(range, AddressRange.EMPTY);
  }

  /** How many tables a range takes beyond those that another range, which may be empty, has. */
  static long countBeside(AddressRange range, AddressRange other) {
    long tables = 0;
    for (int level = ROOT_LEVEL; level >= 1; level--) {
      long first = Table.of(level, range.first()).index;
      long last = Table.of(level, range.last()).index;
      tables += last - first + 1;
      if (other.bytes() != 0) {
        long firstShared = Math.max(first, Table.of(level, other.first()).index);
        long lastShared = Math.min(last, Table.of(level, other.last()).index);
        tables -= Math.max(0, lastShared - firstShared + 1);
      }
    }
    return tables;
  }

  /**
   * Places those tables of a range that are not planned yet, one frame each from a frame on.
   *
   * @return how many were new
   */
  long place(AddressRange range, long firstPfn) {
    long pfn = firstPfn;
    for (int level = ROOT_LEVEL; level >= 1; level--) {
      long last = Table.of(level, range.last()).index;
      for (long index = Table.of(level, range.first()).index; index <= last; index++) {
        if (pfns.putIfAbsent(new Table(level, index), pfn) == null) {
          tableFrames.add(pfn++);
        }
      }
    }
    return pfn - firstPfn;
  }

  /** The tables, in the order of their frames. */
  public List<Table> tables() {
    return List.copyOf(pfns.keySet());
  }

  /** The frame of a table, if it is planned. */
  public OptionalLong pfn(Table table) {
    Long pfn = pfns.get(table);
    return pfn == null ? OptionalLong.empty() : OptionalLong.of(pfn);
  }

  /** Whether a frame holds a table, so that no mapping of it may be writable. */
  public boolean isTable(long pfn) {
    return tableFrames.contains(pfn);
  }

  /** A virtual address without its sign, as tables see it. */
  static long translated(long va) {
    return va & VA_MASK;
  }
}
