package dev.domus.kernel.mmu;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * One domain's TLB flushes, counted, so that a flush that has happened anyway is not made again.
 *
 * <p>Whoever clears or weakens an entry leaves {@link #now}, the number of flushes started so far,
 * as the stamp of the frame that the entry referred to, <em>after</em> the entry has changed and
 * <em>before</em> the frame's references are put. Whoever then wants the frame for something that a
 * stale translation must not see (another type, another owner) asks {@link #flushedSince}: a flush
 * that was started after the stamp and is complete has removed what could be stale. Start and
 * completion are counted apart, because a vCPU that a running flush has already passed may have
 * translated again just before the entry was cleared.
 *
 * <p>Stamps are 32 bits and compared by difference; a stamp so old that it looks new costs a flush,
 * no more. Any thread. The flush itself returns when no vCPU of the domain uses an older
 * translation; it takes no lock, so it may be called with any lock held, but never from inside
 * guest mode.
 */
final class DomainTlb {
  private final Runnable flushAllVcpus;
  private final AtomicInteger started = new AtomicInteger();
  private final AtomicInteger completed = new AtomicInteger();

  /**
   * Makes the counter.
   *
   * @param flushAllVcpus makes every vCPU of the domain forget its translations, and returns when
   *     they have
   */
  DomainTlb(Runnable flushAllVcpus) {
    this.flushAllVcpus = flushAllVcpus;
  }

  /** The stamp for a frame whose entry has just been cleared. */
  int now() {
    return started.get();
  }

  /** The stamp for a frame that no translation can refer to. */
  int clean() {
    return completed.get() - 1;
  }

  /** Says whether no translation from before the stamp can be in use any more. */
  boolean flushedSince(int stamp) {
    return completed.get() - stamp > 0;
  }

  /** Flushes all vCPUs of the domain, completely. */
  void flush() {
    int mine = started.incrementAndGet();
    flushAllVcpus.run();
    int seen = completed.get();
    while (mine - seen > 0 && !completed.compareAndSet(seen, mine)) {
      seen = completed.get();
    }
  }
}
