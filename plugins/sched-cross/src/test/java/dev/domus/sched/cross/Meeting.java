package dev.domus.sched.cross;

import java.util.concurrent.CyclicBarrier;

/**
 * What it costs this host to have threads meet that never stop working, with nothing of ours in it:
 * the measure of a pool's pauses. As many threads as there are pCPUs spin until they are called;
 * the first to hear waits for the last, and that is how long it was held.
 */
final class Meeting implements AutoCloseable {
  private final Thread[] threads;
  private final long[] arrivedNanos;
  private volatile int called;
  private volatile boolean over;
  private final CyclicBarrier met;

  Meeting(int size) {
    threads = new Thread[size];
    arrivedNanos = new long[size];
    met = new CyclicBarrier(size + 1);
    for (int i = 0; i < size; i++) {
      int me = i;
      threads[i] = Thread.ofPlatform().daemon().name("meeting-" + i).start(() -> work(me));
    }
  }

  private void work(int me) {
    int heard = 0;
    while (!over) {
      int now = called;
      if (now != heard) {
        heard = now;
        arrivedNanos[me] = System.nanoTime();
        await();
      }
    }
  }

  private void await() {
    try {
      met.await();
    } catch (InterruptedException | java.util.concurrent.BrokenBarrierException e) {
      throw new AssertionError(e);
    }
  }

  /** Calls all; for how long the first was held until the last had come. */
  long callNanos() {
    called++;
    await();
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
