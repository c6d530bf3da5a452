package dev.domus.kernel.io;

import java.util.Arrays;

/**
 * A set of non-negative numbers as disjoint, sorted ranges that do not touch. Immutable; asking
 * allocates nothing.
 */
final class RangeSet {
  /** The empty set. */
  static final RangeSet EMPTY = new RangeSet(new long[0]);

  /** First and end (exclusive) of each range, in rising order. */
  private final long[] bounds;

  private RangeSet(long[] bounds) {
    this.bounds = bounds;
  }

  boolean isEmpty() {
    return bounds.length == 0;
  }

  /** Says whether every number of a range, which is not empty, is in the set. */
  boolean containsAll(long first, long count) {
    int at = Arrays.binarySearch(bounds, first);
    int range = at >= 0 ? at : -at - 2; // the bound at or below the first number
    return range >= 0 && (range & 1) == 0 && count <= bounds[range + 1] - first;
  }

  /** Says whether some number of a range, which is not empty, is in the set. */
  boolean containsAny(long first, long count) {
    for (int i = 0; i < bounds.length; i += 2) {
      if (bounds[i] < first + count && bounds[i + 1] > first) {
        return true;
      }
    }
    return false;
  }

  /** The set and a range. */
  RangeSet with(long first, long count) {
    return combined(first, first + count, true);
  }

  /** The set without a range. */
  RangeSet without(long first, long count) {
    return combined(first, first + count, false);
  }

  private RangeSet combined(long first, long end, boolean in) {
    long[] result = new long[bounds.length + 2];
    int n = 0;
    for (int i = 0; i < bounds.length && bounds[i] < first; i++) {
      result[n++] = bounds[i];
    }
    boolean inside = (n & 1) != 0; // whether the number before the range is in the set
    if (inside != in) {
      result[n++] = first;
    }
    int rest = 0;
    while (rest < bounds.length && bounds[rest] <= end) {
      rest++;
    }
    boolean insideAfter = (rest & 1) != 0;
    if (insideAfter != in) {
      result[n++] = end;
    }
    for (int i = rest; i < bounds.length; i++) {
      result[n++] = bounds[i];
    }
    return new RangeSet(Arrays.copyOf(result, n));
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < bounds.length; i += 2) {
      text.append(i == 0 ? "" : " ")
          .append(Long.toHexString(bounds[i]))
          .append('-')
          .append(Long.toHexString(bounds[i + 1] - 1));
    }
    return text.toString();
  }
}
