package dev.domus.kernel.sched;

import java.util.concurrent.atomic.AtomicLong;

/**
 * How much pCPU time a domain may use under its cap: a token bucket (J. Turner, <em>New Directions
 * in Communications</em>, 1986). It fills with cap per cent of the time that passes, up to what
 * {@link #PERIOD_NANOS} bring, and running empties it. Below nothing, the domain's units wait until
 * it is full again; what was used too much is paid back first, so the cap holds on average however
 * coarse slices are.
 *
 * <p>A domain's units may be in several run queues, whose schedulers share a bucket ({@link
 * SchedulerFactory#createShared}); each sees a time of its own, and the bucket goes by the one that
 * is furthest on. Thread-safe, and never blocks.
 */
public final class CapBucket {
  /** The time in which a bucket fills: how long, about, a domain at its cap runs and waits. */
  public static final long PERIOD_NANOS = 10_000_000;

  private final AtomicLong tokens = new AtomicLong();
  private final AtomicLong filledAt;
  private volatile int cap;

  /**
   * A full bucket.
   *
   * @param cap as {@link SchedUnit#cap}
   * @param nowNanos the pool's time
   */
  public CapBucket(int cap, long nowNanos) {
    this.filledAt = new AtomicLong(nowNanos);
    cap(cap);
  }

  /** Changes the cap; a new one begins with a full bucket. */
  public void cap(int newCap) {
    if (newCap != cap) {
      cap = newCap;
      tokens.set(capacity());
    }
  }

  /** Whether there is a cap at all. */
  public boolean isLimited() {
    return cap != SchedUnit.NO_CAP;
  }

  /** Takes out what one of the domain's units ran. */
  public void charge(long ranNanos) {
    if (isLimited()) {
      tokens.addAndGet(-ranNanos);
    }
  }

  /** What the domain may use now, in nanoseconds of pCPU time; {@link Long#MAX_VALUE} if any. */
  public long leftNanos(long nowNanos) {
    if (!isLimited()) {
      return Long.MAX_VALUE;
    }
    fill(nowNanos);
    return tokens.get();
  }

  /** When it will be full if nobody runs. Meaningful if {@link #isLimited}. */
  public long fullAtNanos(long nowNanos) {
    return nowNanos + Math.max(1, (capacity() - leftNanos(nowNanos)) * 100 / Math.max(1, cap));
  }

  private void fill(long nowNanos) {
    long from = filledAt.get();
    long percent = cap;
    long gained = (nowNanos - from) * percent / 100;
    // Only whole tokens are poured in, so that small steps lose nothing.
    if (gained > 0 && filledAt.compareAndSet(from, from + gained * 100 / percent)) {
      long was;
      do {
        was = tokens.get();
      } while (!tokens.compareAndSet(was, Math.min(capacity(), was + gained)));
    }
  }

  private long capacity() {
    return PERIOD_NANOS * cap / 100;
  }
}
