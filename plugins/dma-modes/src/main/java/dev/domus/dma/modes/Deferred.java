package dev.domus.dma.modes;

import dev.domus.iommu.dma.DmaSpace;
import dev.domus.iommu.dma.PendingUnmaps;
import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaResources;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Deferred: an unmapping takes the range out of the tables, and leaves what devices have cached of
 * it. One invalidation of all, later, ends what many unmappings have begun. Until then the device
 * reaches pages that its driver takes for its own.
 *
 * <h2>When</h2>
 *
 * Whichever comes first: a thread's batch is full, and the thread that filled it flushes; or a
 * thread of the mode's own finds something pending. That thread looks every half of the greatest
 * age, so a range that has just missed it is taken by the next look, within the age; how much later
 * the host runs the thread is in the figure that {@link #longestOpenNanos} gives, which is measured
 * and not computed. While nothing is pending the thread sleeps, and the first unmapping wakes it.
 *
 * <h2>The wake-up</h2>
 *
 * The thread says that it is idle and then looks once more; an unmapping adds its range and then
 * looks whether the thread is idle. Both go through the batch's lock between the two, so one of
 * them sees the other.
 */
final class Deferred implements DmaMode {
  /** Ranges of a thread's batch: an invalidation's cost, a microsecond or so, among so many. */
  static final int BATCH = 256;

  /** The greatest age that the timer aims at: what other systems that defer have, too. */
  static final long AGE_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

  private final PendingUnmaps pending;
  private final long lookNanos;
  private final Thread timer;
  private volatile boolean idle;
  private volatile boolean closed;

  Deferred(DmaResources resources) {
    this(resources, BATCH, AGE_NANOS);
  }

  Deferred(DmaResources resources, int batch, long ageNanos) {
    pending = new PendingUnmaps(resources.space(), batch);
    lookNanos = ageNanos / 2;
    timer =
        Thread.ofPlatform()
            .daemon()
            .name("dma-deferred-" + resources.device())
            .unstarted(this::watchAge);
    timer.start();
  }

  @Override
  public long map(DmaSpace space, long[] mfns, int from, int count, int permissions, long limit) {
    return space.map(mfns, from, count, permissions, limit);
  }

  @Override
  public long map(DmaSpace space, long mfn, long count, int permissions, long limit) {
    return space.map(mfn, count, permissions, limit);
  }

  @Override
  public void unmap(DmaSpace space, long iova, long pages) {
    pending.add(iova, pages);
    if (idle) {
      idle = false;
      LockSupport.unpark(timer);
    }
  }

  @Override
  public void settle(DmaSpace space) {
    pending.flush();
  }

  @Override
  public long longestOpenNanos() {
    return pending.longestOpenNanos();
  }

  @Override
  public int open() {
    return pending.pending();
  }

  private void watchAge() {
    while (!closed) {
      idle = true;
      if (pending.pending() == 0 && !closed) {
        LockSupport.park(this);
      } else {
        idle = false;
        LockSupport.parkNanos(this, lookNanos);
        pending.flush();
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    boolean interrupted = false;
    while (timer.isAlive()) {
      LockSupport.unpark(timer);
      try {
        timer.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
