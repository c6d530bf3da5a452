package dev.domus.memory;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Frames for stress tests: each state takes the next entry of one table that all share, so that
 * making a state costs no system call. There are far more entries than states at a time.
 */
final class StressFrames {
  static final int OWNER = 1, NEXT_OWNER = 2;
  static final FrameTable TABLE = new FrameTable(1 << 18);

  private static final AtomicInteger NEXT = new AtomicInteger();

  private StressFrames() {}

  /** A frame as it is when its owner has just been given it. */
  static int owned() {
    int mfn = NEXT.getAndIncrement() & (1 << 18) - 1;
    TABLE
        .entries()
        .asSlice((long) mfn << FrameTableLayout.ENTRY_SHIFT, 1L << FrameTableLayout.ENTRY_SHIFT)
        .fill((byte) 0);
    TABLE.assign(mfn, OWNER);
    return mfn;
  }

  /** A frame that is a good table of level 1, with one reference of that type. */
  static int table() {
    int mfn = owned();
    TABLE.takeType(mfn, FrameTable.L1);
    TABLE.validated(mfn);
    return mfn;
  }
}
