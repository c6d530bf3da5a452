package dev.domus.iommu;

import java.util.Arrays;

/**
 * Frames of tables that are out of a domain's tree, but perhaps still cached or walked: they are
 * given back after the next flush. Changed by whoever has shut the domain's {@link TableGate};
 * whether there are any may be asked by anybody.
 */
final class RetiredTables {
  /** No tables. */
  static final long[] NONE = {};

  private long[] mfns = new long[16];
  private volatile int count;

  boolean isEmpty() {
    return count == 0;
  }

  void add(long mfn) {
    int now = count;
    if (now == mfns.length) {
      mfns = Arrays.copyOf(mfns, 2 * now);
    }
    mfns[now] = mfn;
    count = now + 1;
  }

  /** Empties it. */
  long[] takeAll() {
    long[] all = count == 0 ? NONE : Arrays.copyOf(mfns, count);
    count = 0;
    return all;
  }
}
