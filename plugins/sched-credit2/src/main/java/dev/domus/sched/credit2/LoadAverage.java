package dev.domus.sched.credit2;

/**
 * A load, averaged over time with weights that decay exponentially: what happened a window ago
 * counts for 1/e of what happens now.
 *
 * <p>The load is added up exactly between folds, a 64th of a window apart, and a fold moves the
 * average; so a history of many small steps is averaged as well as one of few.
 */
final class LoadAverage {
  /** A load of one unit. */
  static final long ONE = 1 << 16;

  private static final int FOLDS = 64;

  private final long windowNanos;
  private long average;
  private long foldedNanos;
  private long atNanos;
  private long area;

  LoadAverage(long windowNanos, long nowNanos) {
    this.windowNanos = windowNanos;
    this.foldedNanos = nowNanos;
    this.atNanos = nowNanos;
  }

  /**
   * Lets time pass.
   *
   * @param load what it was up to now
   */
  void advance(long nowNanos, int load) {
    area += (nowNanos - atNanos) * load;
    atNanos = nowNanos;
    long passed = nowNanos - foldedNanos;
    if (passed >= windowNanos / FOLDS) {
      long mean = (long) ((double) area / passed * ONE);
      average =
          passed >= windowNanos
              ? mean
              : average + (long) ((mean - average) * ((double) passed / windowNanos));
      area = 0;
      foldedNanos = nowNanos;
    }
  }

  /** The average, in parts of {@link #ONE}. */
  long average() {
    return average;
  }
}
