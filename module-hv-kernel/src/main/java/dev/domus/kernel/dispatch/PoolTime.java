package dev.domus.kernel.dispatch;

/**
 * The clock that a pool's scheduler lives by: time that the host stole does not exist.
 *
 * <pre>
 *    pool time = wall time − stolen time / pCPUs
 * </pre>
 *
 * <p>A pool of <em>n</em> pCPUs delivers <em>n</em> nanoseconds of CPU time, to units or to idling,
 * in each nanosecond of pool time. So a scheduler that hands out credit for the time that went by
 * hands out what can be spent, however little of the wall's time the host let the pool have.
 *
 * <p>What is stolen is known when a pCPU has measured its run ({@link RunMeter}), so for the length
 * of a run other pCPUs may see a pool time that is somewhat ahead. Then it stands still until the
 * truth has caught up: it never goes back, and no error stays.
 *
 * <p>Everything but the scheduler goes by wall time: run states, which guests see, deadlines, and
 * reports. Guarded by the pool's lock.
 */
final class PoolTime {
  private final int pcpus;
  private long wallNanos;
  private long stolenNanos;

  /** {@code stolenNanos / pcpus}. */
  private long missingNanos;

  private long poolNanos;

  PoolTime(int pcpus) {
    this.pcpus = pcpus;
  }

  /** Wall time, which threads have read outside the lock, so perhaps not in the lock's order. */
  long advance(long readNanos) {
    long now = Math.max(wallNanos, readNanos);
    wallNanos = now;
    return now;
  }

  /** A pCPU has measured what it was robbed of. */
  void steal(long nanos) {
    if (nanos != 0) {
      stolenNanos += nanos;
      missingNanos = stolenNanos / pcpus;
    }
  }

  /** Pool time at a wall time. */
  long at(long wallNanos) {
    long now = Math.max(poolNanos, wallNanos - missingNanos);
    poolNanos = now;
    return now;
  }

  /**
   * Wall time before which a pool time will not come; later if more is stolen meanwhile, so whoever
   * waited for it has to look again. {@link Long#MAX_VALUE} is never, on both.
   */
  long toWall(long poolNanos) {
    return poolNanos > Long.MAX_VALUE - missingNanos ? Long.MAX_VALUE : poolNanos + missingNanos;
  }
}
