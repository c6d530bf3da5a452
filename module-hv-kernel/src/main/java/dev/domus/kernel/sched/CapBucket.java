package dev.domus.kernel.sched;

import java.util.concurrent.atomic.AtomicInteger;
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
  /**
   * The time in which a bucket fills: how long, about, a domain at its cap runs and waits. Also the
   * longest that one of its units runs without being charged.
   */
  public static final long PERIOD_NANOS = 10_000_000;

  private final AtomicLong tokens = new AtomicLong();
  private final AtomicLong filledAt;
  private final AtomicInteger running = new AtomicInteger();
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

  /** Whether the domain has used up what its cap allows. */
  public boolean isEmpty(long nowNanos) {
    if (cap == SchedUnit.NO_CAP) {
      return false;
    }
    fill(nowNanos);
    return tokens.get() <= 0;
  }

  /**
   * One of the domain's units begins to run.
   *
   * @return for how long it may at most; {@link Long#MAX_VALUE} where there is no cap
   */
  public long begin(long nowNanos) {
    int together = running.incrementAndGet();
    if (cap == SchedUnit.NO_CAP) {
      return Long.MAX_VALUE;
    }
    fill(nowNanos);
    return Math.min(tokens.get() / together, PERIOD_NANOS);
  }

  /** One of the domain's units has run. */
  public void end(long ranNanos) {
    running.decrementAndGet();
    if (cap != SchedUnit.NO_CAP) {
      tokens.addAndGet(-ranNanos);
    }
  }

  /** When it will be full if nobody runs. */
  public long fullAtNanos(long nowNanos) {
    fill(nowNanos);
    return nowNanos + Math.max(1, (capacity() - tokens.get()) * 100 / Math.max(1, cap));
  }

  private void fill(long nowNanos) {
    long from = filledAt.get();
    long percent = cap;
    long gained = (nowNanos - from) * percent / 100;
    // Only whole tokens are poured in, so that small steps lose nothing.
    if (gained > 0 && filledAt.compareAndSet(from, from + gained * 100 / percent)) {
      // What those who run have used is not charged yet, and does not make it overflow.
      long most = capacity() + running.get() * PERIOD_NANOS;
      long was;
      do {
        was = tokens.get();
      } while (!tokens.compareAndSet(was, Math.min(most, was + gained)));
    }
  }

  private long capacity() {
    return PERIOD_NANOS * cap / 100;
  }
}
