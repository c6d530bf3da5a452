package dev.domus.nvme;

import java.lang.foreign.MemorySegment;

/**
 * The last errors, newest first, for the error information log page (5.14.1.1):
 *
 * <pre>
 *   0 u64 count   8 u16 queue  10 u16 command  12 u16 status, shifted by one
 *  14 u16 parameter location  16 u64 block  24 u32 namespace
 * </pre>
 *
 * <p>Thread-safe. Errors are what a guest makes, so recording one allocates nothing.
 */
final class ErrorLog {
  /** Entries, ELPE + 1. */
  static final int ENTRIES = 16;

  private static final int ENTRY_BYTES = 64;
  private static final int NO_LOCATION = 0xffff;

  private final long[] queuesAndCommands = new long[ENTRIES];
  private final long[] blocks = new long[ENTRIES];
  private final int[] namespaces = new int[ENTRIES];
  private long count;

  /** A doorbell that made no sense has no command: 0xffff. */
  synchronized void record(int queue, int command, int status, long block, int namespace) {
    int at = (int) (count++ % ENTRIES);
    queuesAndCommands[at] = queue | (long) command << 16 | (long) (status << 1 & 0xffff) << 32;
    blocks[at] = block;
    namespaces[at] = namespace;
  }

  synchronized long count() {
    return count;
  }

  synchronized void clear() {
    count = 0;
  }

  /** Writes the log page into zeroed memory. */
  synchronized void writeTo(MemorySegment page) {
    for (int i = 0; i < Math.min(count, ENTRIES); i++) {
      int at = (int) ((count - 1 - i) % ENTRIES);
      long to = (long) i * ENTRY_BYTES;
      IdentifyLayout.putLong(page, to, count - i);
      IdentifyLayout.putLong(page, to + 8, queuesAndCommands[at] | (long) NO_LOCATION << 48);
      IdentifyLayout.putLong(page, to + 16, blocks[at]);
      IdentifyLayout.putInt(page, to + 24, namespaces[at]);
    }
  }
}
