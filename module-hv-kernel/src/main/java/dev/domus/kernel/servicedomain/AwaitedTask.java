package dev.domus.kernel.servicedomain;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A task that somebody waits for. */
final class AwaitedTask implements Runnable {
  /** How often it is looked whether the thread is still there that would do it. */
  private static final long LOOK_MILLIS = 50;

  private final Runnable task;
  private final CountDownLatch done = new CountDownLatch(1);

  AwaitedTask(Runnable task) {
    this.task = task;
  }

  @Override
  public void run() {
    try {
      task.run();
    } finally {
      done.countDown();
    }
  }

  /** Waits until it has been done, or never will be because the thread that would has ended. */
  void await(Thread performer) {
    boolean interrupted = false;
    boolean over = false;
    while (!over && performer.isAlive()) {
      try {
        over = done.await(LOOK_MILLIS, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
