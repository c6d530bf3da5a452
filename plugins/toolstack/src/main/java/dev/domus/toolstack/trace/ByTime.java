package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import java.util.Arrays;

/**
 * Puts records in the order of their times. A file is a sequence of pieces of buffers, each nearly
 * sorted, so runs that are already in order are found and merged, as in a natural merge sort:
 * stable, and linear for what is in order.
 */
final class ByTime {
  private ByTime() {}

  /** The numbers of the records whose kind is known, sorted. */
  static int[] order(long[] words) {
    int[] order = new int[words.length / TraceRecord.WORDS];
    int count = 0;
    for (int i = 0; i < order.length; i++) {
      long head = words[i * TraceRecord.WORDS + TraceRecord.HEAD];
      if (TraceEvent.ofCode(TraceRecord.code(head)).isPresent()) {
        order[count++] = i;
      }
    }
    return sorted(Arrays.copyOf(order, count), words);
  }

  private static int[] sorted(int[] order, long[] words) {
    int[] from = order;
    int[] into = new int[order.length];
    int runs;
    do {
      runs = 0;
      for (int start = 0; start < from.length; runs++) {
        int middle = runEnd(from, start, words);
        int end = middle < from.length ? runEnd(from, middle, words) : middle;
        merge(from, start, middle, end, into, words);
        start = end;
      }
      int[] other = from;
      from = into;
      into = other;
    } while (runs > 1);
    return from;
  }

  private static int runEnd(int[] order, int start, long[] words) {
    int end = start + 1;
    while (end < order.length && time(words, order[end - 1]) <= time(words, order[end])) {
      end++;
    }
    return end;
  }

  private static void merge(int[] from, int start, int middle, int end, int[] into, long[] words) {
    int left = start;
    int right = middle;
    for (int at = start; at < end; at++) {
      boolean takeLeft =
          right == end || left < middle && time(words, from[left]) <= time(words, from[right]);
      into[at] = takeLeft ? from[left++] : from[right++];
    }
  }

  private static long time(long[] words, int record) {
    return words[record * TraceRecord.WORDS + TraceRecord.TIME];
  }
}
