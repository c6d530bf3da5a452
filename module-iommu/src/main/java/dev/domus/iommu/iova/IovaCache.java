package dev.domus.iommu.iova;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A thread's own free ranges: two magazines an order, for the small orders, in two zones. Between a
 * cache and the depot whole magazines go (Bonwick and Adams, <i>Magazines and Vmem</i>, 2001): a
 * thread comes to the depot at most once in {@value #MAGAZINE} calls, whatever it does, because
 * after an exchange one of its magazines is full and one is empty.
 *
 * <p>Behind a lock of one word, so that somebody else can empty it.
 */
final class IovaCache {
  /** Orders below this are kept: up to 128 KiB. */
  static final int ORDERS = 6;

  /** Ranges in a magazine. */
  static final int MAGAZINE = 64;

  /** Zones: below 4 GiB, and above. */
  static final int ZONES = 2;

  private static final VarHandle LOCK;

  static {
    try {
      LOCK = MethodHandles.lookup().findVarHandle(IovaCache.class, "lock", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  @SuppressWarnings("unused") // its word has a line of its own
  private long p0, p1, p2, p3, p4, p5, p6, p7;

  private int lock;

  /** By zone and order: the magazine in use, and the other one, which is full or empty. */
  final Magazine[] loaded = new Magazine[ZONES * ORDERS];

  final Magazine[] other = new Magazine[ZONES * ORDERS];

  @SuppressWarnings("unused")
  private long q0, q1, q2, q3, q4, q5, q6, q7;

  IovaCache() {
    for (int i = 0; i < ZONES * ORDERS; i++) {
      loaded[i] = new Magazine();
      other[i] = new Magazine();
    }
  }

  boolean tryLock() {
    return (int) LOCK.getOpaque(this) == 0 && LOCK.compareAndSet(this, 0, 1);
  }

  void lock() {
    while (!tryLock()) {
      Thread.onSpinWait();
      Thread.yield();
    }
  }

  void unlock() {
    LOCK.setRelease(this, 0);
  }

  /** Up to {@value IovaCache#MAGAZINE} first pages of ranges of one order. */
  static final class Magazine {
    final long[] pages = new long[MAGAZINE];
    int count;

    boolean isEmpty() {
      return count == 0;
    }

    boolean isFull() {
      return count == MAGAZINE;
    }

    long pop() {
      return pages[--count];
    }

    void push(long page) {
      pages[count++] = page;
    }
  }
}
