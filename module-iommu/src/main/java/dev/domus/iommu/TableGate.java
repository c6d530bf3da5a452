package dev.domus.iommu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Many at once, or one alone: who changes entries of a domain's tables enters, who takes tables
 * away shuts the gate first. The often side counts itself in a stripe that it seldom shares with
 * another thread, so two threads that map and unmap do not meet here.
 *
 * <p>Enter: add one to the stripe, then look whether the gate is shut; shut: shut it, then wait for
 * each stripe to be 0. Both sides' accesses are volatile, so at least one sees the other.
 */
final class TableGate {
  private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(long[].class);
  private static final int STRIPES = 16;
  private static final int LINE = 16;

  private final long[] inside = new long[(STRIPES + 1) * LINE];
  private final ReentrantLock shutters = new ReentrantLock();
  private volatile boolean shut;

  /** Enters; the result is for {@link #leave}. */
  int enter() {
    int stripe = ((int) Thread.currentThread().threadId() & STRIPES - 1) * LINE + LINE;
    while (true) {
      COUNT.getAndAdd(inside, stripe, 1L);
      if (!shut) {
        return stripe;
      }
      leave(stripe);
      for (int spins = 0; shut; spins++) {
        Waiting.pause(spins);
      }
    }
  }

  void leave(int stripe) {
    COUNT.getAndAdd(inside, stripe, -1L);
  }

  /** Waits until nobody is inside, and lets nobody in. The caller is not inside. */
  void shut() {
    shutters.lock();
    shut = true;
    for (int stripe = LINE; stripe < inside.length; stripe += LINE) {
      for (int spins = 0; (long) COUNT.getVolatile(inside, stripe) != 0; spins++) {
        Waiting.pause(spins);
      }
    }
  }

  void open() {
    shut = false;
    shutters.unlock();
  }
}
