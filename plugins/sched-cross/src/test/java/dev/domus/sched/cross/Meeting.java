package dev.domus.sched.cross;

import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * What it costs this host to have threads meet that never stop working, with nothing of ours in it:
 * the measure of a pool's pauses. As many threads as there are pCPUs work until they are called;
 * the first to hear waits for the last, and that is for how long it was held.
 */
final class Meeting implements AutoCloseable {
  /** Rounds of work between two calls, about as long as a scheduler takes to be made. */
  private static final int WORK = 100_000;

  private static final int SPINS = 1_000;
  private static final long NAP_NANOS = 50_000;

  private final int size;
  private final long[] arrivedNanos;
  private final Semaphore atWork = new Semaphore(0);
  private final AtomicInteger here = new AtomicInteger();
  private volatile int called;
  private volatile int released;
  private volatile boolean over;

  Meeting(int size) throws InterruptedException {
    this.size = size;
    arrivedNanos = new long[size];
    for (int i = 0; i < size; i++) {
      int me = i;
      Thread.ofPlatform().daemon().name("meeting-" + i).start(() -> work(me));
    }
    atWork.acquire(size);
  }

  private void work(int me) {
    int heard = 0;
    for (long rounds = 1; !over; rounds++) {
      if (called != heard) {
        heard = called;
        arrivedNanos[me] = System.nanoTime();
        if (here.incrementAndGet() == size) {
          here.set(0);
          released = heard;
        }
        for (int i = 0; released != heard; i++) {
          if (i < SPINS) {
            Thread.onSpinWait();
          } else {
            LockSupport.parkNanos(this, NAP_NANOS);
          }
        }
        rounds = 1;
      }
      if (rounds == WORK) {
        atWork.release();
      }
    }
  }

  /** Calls all; for how long the first was held until the last had come. */
  long callNanos() throws InterruptedException {
    called++;
    atWork.acquire(size);
    long first = Long.MAX_VALUE;
    long last = Long.MIN_VALUE;
    for (long arrived : arrivedNanos) {
      first = Math.min(first, arrived);
      last = Math.max(last, arrived);
    }
    return last - first;
  }

  @Override
  public void close() {
    over = true;
  }
}
