package dev.domus.engine.jvm.memory;

import java.util.Arrays;

/**
 * Cached translations of one address space.
 *
 * <pre>
 *   word     0          1           2          3
 *        +----------+-----------+----------+----------+
 *        | read tag | write tag | ma - va  | exec tag |    one entry; 1024 of them
 *        +----------+-----------+----------+----------+
 * </pre>
 *
 * <p>A tag is the linear address of the page if the access is allowed without further ado, else
 * {@link #NONE}. The write tag is present only if the leaf's dirty bit is set and the frame holds
 * no decoded code, so a store that finds it has nothing else to do. The index mixes higher address
 * bits in: with plain direct mapping a code page and a stack page whose numbers agree in the low
 * ten bits evict each other for ever.
 */
final class Tlb {
  /** A tag that no masked address equals: its bits 4 to 11 are set. */
  static final long NONE = -1;

  static final int READ = 0, WRITE = 1, ADDEND = 2, EXEC = 3;
  private static final int ENTRIES = 1024;
  private static final int MARKS = 1024;

  /** Machine address of the L4 table that gave the translations, or -1 for an unused context. */
  long cr3 = -1;

  /**
   * Identifies the set of translations that code was fetched by; a new value whenever one of them
   * has been dropped. Jumps between pages are cached under it.
   */
  long generation;

  /** When the context was last entered, to choose the one to give up. */
  long lastUse;

  final long[] entries = new long[ENTRIES * 4];

  /**
   * The pages that code has been fetched from since the last {@link #clear}, by {@link #mark}:
   * those whose entry another page has displaced since are among them, for jumps still know where
   * they were.
   */
  private final long[] fetched = new long[MARKS / Long.SIZE];

  private boolean empty;

  Tlb() {
    clear();
  }

  /** Index of the entry's first word. */
  static int index(long va) {
    return (int) ((va ^ va >>> 10) >>> 10) & (ENTRIES - 1) << 2;
  }

  void clear() {
    if (!empty) {
      Arrays.fill(entries, NONE);
      Arrays.fill(fetched, 0);
      empty = true;
    }
  }

  void enter(long va, long ma, boolean read, boolean write, boolean exec) {
    int i = index(va);
    long page = va & -4096;
    long addend = (ma & -4096) - page;
    boolean same =
        entries[i + ADDEND] == addend
            && (entries[i] == page || entries[i + WRITE] == page || entries[i + EXEC] == page);
    if (!same) {
      entries[i] = NONE;
      entries[i + WRITE] = NONE;
      entries[i + EXEC] = NONE;
      entries[i + ADDEND] = addend;
    }
    if (read) {
      entries[i] = page;
    }
    if (write) {
      entries[i + WRITE] = page;
    }
    if (exec) {
      entries[i + EXEC] = page;
      fetched[mark(va) >>> 6] |= 1L << mark(va);
    }
    empty = false;
  }

  private static int mark(long va) {
    return (int) (va >>> 12 ^ va >>> 22) & MARKS - 1;
  }

  /**
   * Drops the translation of a page.
   *
   * @return whether code may have been fetched by it since the last {@link #clear}
   */
  boolean drop(long va) {
    if (empty) {
      return false;
    }
    int i = index(va);
    long page = va & -4096;
    if (entries[i] == page || entries[i + WRITE] == page || entries[i + EXEC] == page) {
      entries[i] = NONE;
      entries[i + WRITE] = NONE;
      entries[i + EXEC] = NONE;
    }
    return (fetched[mark(va) >>> 6] >>> mark(va) & 1) != 0;
  }

  /** Takes the right to store unnoticed from every translation of a frame. */
  void dropWritesTo(long frameAddress) {
    if (!empty) {
      for (int i = 0; i < entries.length; i += 4) {
        long page = entries[i + WRITE];
        if (page != NONE && page + entries[i + ADDEND] == frameAddress) {
          entries[i + WRITE] = NONE;
        }
      }
    }
  }
}
