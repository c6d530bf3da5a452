package dev.domus.iommu.dma;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Ranges that are out of the tables and not yet out of the caches, collected until one flush takes
 * them all: what a deferred mode is made of. When to flush, beyond a batch being full, is the
 * mode's to decide; how long a range was open at the longest is measured here.
 *
 * <p>Threads have batches of their own (by {@value #BATCHES} stripes), so they do not meet; a flush
 * is of the domain, and frees what the batch held when it began.
 *
 * <p>Thread-safe; adding allocates nothing.
 */
public final class PendingUnmaps {
  private static final int BATCHES = 16;
  private static final VarHandle LOCK;

  static {
    try {
      LOCK = MethodHandles.lookup().findVarHandle(Batch.class, "lock", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final DmaSpace space;
  private final int size;
  private final Batch[] batches = new Batch[BATCHES];

  /**
   * Collects for a space.
   *
   * @param space whose ranges
   * @param size ranges of a batch
   */
  public PendingUnmaps(DmaSpace space, int size) {
    if (size < 1) {
      throw new IllegalArgumentException("a batch has at least one range: size=" + size);
    }
    this.space = space;
    this.size = size;
    for (int i = 0; i < BATCHES; i++) {
      batches[i] = new Batch(size);
    }
  }

  private static final class Batch {
    final long[] iovas;
    final long[] pages;
    int count;
    int lock;
    long firstNanos;
    long longestNanos;

    @SuppressWarnings("unused") // batches have lines of their own
    private long q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15;

    Batch(int size) {
      iovas = new long[size];
      pages = new long[size];
    }

    void enter() {
      while (!LOCK.compareAndSet(this, 0, 1)) {
        Thread.onSpinWait();
        Thread.yield();
      }
    }

    void leave() {
      LOCK.setRelease(this, 0);
    }
  }

  /**
   * Withdraws a range, to be made unreachable later.
   *
   * @throws IllegalArgumentException if it was not mapped as this range
   */
  public void add(long iova, long pages) {
    space.withdraw(iova, pages);
    Batch batch = batches[(int) Thread.currentThread().threadId() & BATCHES - 1];
    batch.enter();
    try {
      if (batch.count == 0) {
        batch.firstNanos = System.nanoTime();
      }
      batch.iovas[batch.count] = iova;
      batch.pages[batch.count] = pages;
      if (++batch.count == size) {
        flush(batch);
      }
    } finally {
      batch.leave();
    }
  }

  /** Makes all that was added before the call unreachable, and its addresses free. */
  public void flush() {
    for (Batch batch : batches) {
      batch.enter();
      try {
        if (batch.count > 0) {
          flush(batch);
        }
      } finally {
        batch.leave();
      }
    }
  }

  private void flush(Batch batch) {
    space.flush();
    for (int i = 0; i < batch.count; i++) {
      space.free(batch.iovas[i], batch.pages[i]);
    }
    batch.count = 0;
    batch.longestNanos = Math.max(batch.longestNanos, System.nanoTime() - batch.firstNanos);
  }

  /** Ranges that are open now. */
  public int pending() {
    int pending = 0;
    for (Batch batch : batches) {
      batch.enter();
      pending += batch.count;
      batch.leave();
    }
    return pending;
  }

  /** The longest that a range was open before its flush had ended: the window of vulnerability. */
  public long longestOpenNanos() {
    long longest = 0;
    for (Batch batch : batches) {
      batch.enter();
      longest = Math.max(longest, batch.longestNanos);
      batch.leave();
    }
    return longest;
  }
}
