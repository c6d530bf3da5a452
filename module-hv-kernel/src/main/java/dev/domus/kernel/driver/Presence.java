package dev.domus.kernel.driver;

import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Who is inside something that may end. Threads count themselves in stripes, so that they do not
 * meet; who ends it shuts the door, then waits until the counts are zero.
 *
 * <p>Each side writes before it reads (a count, the door), with full ordering: either who enters
 * sees the door shut, or who shuts it sees the count.
 */
final class Presence {
  private static final int STRIPES = 8;

  /** Counts are a line apart. */
  private static final int STEP = 32;

  private final AtomicIntegerArray inside = new AtomicIntegerArray((STRIPES + 1) * STEP);
  private volatile boolean shut;

  /**
   * Enters; if it succeeds {@link #leave} follows, by the same thread.
   *
   * @return false if the door is shut
   */
  boolean enter() {
    int stripe = stripe();
    inside.getAndIncrement(stripe);
    if (shut) {
      inside.getAndDecrement(stripe);
      return false;
    }
    return true;
  }

  void leave() {
    inside.getAndDecrement(stripe());
  }

  private static int stripe() {
    return ((int) Thread.currentThread().threadId() & STRIPES - 1) * STEP + STEP;
  }

  /** Lets nobody in any more, and returns when nobody is inside. Not to be called from inside. */
  void shut() {
    shut = true;
    for (int i = STEP; i < inside.length(); i += STEP) {
      while (inside.get(i) != 0) {
        Thread.yield();
      }
    }
  }
}
