package dev.domus.sched.simulator.engine;

import java.util.Arrays;

/**
 * The future: for each source of events (a pCPU, a vCPU's timer) at most one time at which it wants
 * to be heard.
 *
 * <p>A heap of source numbers that knows where each source stands in it, so that a time is moved in
 * place instead of leaving a stale event behind. It never holds more entries than there are
 * sources, and allocates nothing after its construction. Four children a node: half as many levels
 * as with two, and the children's times lie in one or two cache lines.
 *
 * <p>Of equal times the one set first comes first, so the order of events, and with it the whole
 * simulation, depends on nothing but its input.
 */
final class EventQueue {
  private static final int ARITY_SHIFT = 2;
  private static final int ABSENT = -1;

  private final long[] atNanos;
  private final long[] order;
  private final int[] place;
  private final int[] heap;
  private int size;
  private long nextOrder;

  /** An empty queue for sources 0 … {@code sources} - 1. */
  EventQueue(int sources) {
    atNanos = new long[sources];
    order = new long[sources];
    heap = new int[sources];
    place = new int[sources];
    Arrays.fill(place, ABSENT);
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** The earliest time. The queue is not empty. */
  long nextNanos() {
    return atNanos[heap[0]];
  }

  /** When a source is to be heard; {@link Long#MAX_VALUE} if it is not. */
  long nanosOf(int source) {
    return place[source] == ABSENT ? Long.MAX_VALUE : atNanos[source];
  }

  /** A source is to be heard at a time, and not at the one that was set before. */
  void set(int source, long at) {
    order[source] = nextOrder++;
    atNanos[source] = at;
    if (place[source] == ABSENT) {
      up(size++, source);
    } else {
      settle(place[source], source);
    }
  }

  /** A source is not to be heard. */
  void cancel(int source) {
    int hole = place[source];
    if (hole != ABSENT) {
      place[source] = ABSENT;
      int last = heap[--size];
      if (last != source) {
        settle(hole, last);
      }
    }
  }

  /** Takes the source that is to be heard next. The queue is not empty. */
  int poll() {
    int source = heap[0];
    cancel(source);
    return source;
  }

  private void settle(int hole, int source) {
    if (hole > 0 && before(source, heap[hole - 1 >> ARITY_SHIFT])) {
      up(hole, source);
    } else {
      down(hole, source);
    }
  }

  private void up(int from, int source) {
    int hole = from;
    while (hole > 0) {
      int parent = hole - 1 >> ARITY_SHIFT;
      if (!before(source, heap[parent])) {
        break;
      }
      put(hole, heap[parent]);
      hole = parent;
    }
    put(hole, source);
  }

  private void down(int from, int source) {
    int hole = from;
    for (; ; ) {
      int child = (hole << ARITY_SHIFT) + 1;
      int end = Math.min(child + (1 << ARITY_SHIFT), size);
      if (child >= end) {
        break;
      }
      int first = child;
      while (++child < end) {
        if (before(heap[child], heap[first])) {
          first = child;
        }
      }
      if (!before(heap[first], source)) {
        break;
      }
      put(hole, heap[first]);
      hole = first;
    }
    put(hole, source);
  }

  private void put(int hole, int source) {
    heap[hole] = source;
    place[source] = hole;
  }

  private boolean before(int one, int other) {
    long a = atNanos[one];
    long b = atNanos[other];
    return a < b || a == b && order[one] < order[other];
  }
}
