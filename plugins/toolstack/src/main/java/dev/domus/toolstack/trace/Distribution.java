package dev.domus.toolstack.trace;

/**
 * A distribution of times, for percentiles: counts in buckets whose width is 1/32 of their lower
 * bound, as in HdrHistogram, so any percentile is too high by 3 % at most. Fixed size; not
 * thread-safe.
 */
public final class Distribution {
  private static final int SUB_BITS = 5;
  private static final int SUB = 1 << SUB_BITS;

  private final long[] counts = new long[(Long.SIZE - SUB_BITS) * SUB];
  private long count;
  private long sum;
  private long max;

  void add(long nanos) {
    long value = Math.max(0, nanos);
    counts[bucket(value)]++;
    count++;
    sum += value;
    max = Math.max(max, value);
  }

  /** How many there are. */
  public long count() {
    return count;
  }

  /** Their sum. */
  public long sum() {
    return sum;
  }

  /** The greatest, 0 if there are none. */
  public long max() {
    return max;
  }

  /** The value below or at which a fraction of all values lie, 0 if there are none. */
  public long percentile(double percent) {
    long wanted = (long) Math.ceil(count * percent / 100);
    long seen = 0;
    for (int i = 0; i < counts.length; i++) {
      seen += counts[i];
      if (seen >= wanted && counts[i] > 0) {
        return Math.min(max, highest(i));
      }
    }
    return 0;
  }

  private static int bucket(long value) {
    int shift = Math.max(0, Long.SIZE - 1 - SUB_BITS - Long.numberOfLeadingZeros(value | 1));
    return shift * SUB + (int) (value >>> shift);
  }

  private static long highest(int bucket) {
    int shift = Math.max(0, bucket / SUB - 1);
    long sub = bucket - (long) shift * SUB;
    return (sub + 1 << shift) - 1;
  }
}
