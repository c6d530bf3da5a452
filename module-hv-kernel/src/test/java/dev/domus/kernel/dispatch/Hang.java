package dev.domus.kernel.dispatch;

import java.util.concurrent.CountDownLatch;

/** Where code hangs until the test is over; an interrupt does not help. */
final class Hang {
  private final CountDownLatch end = new CountDownLatch(1);

  void here() {
    while (end.getCount() != 0) {
      try {
        end.await();
      } catch (InterruptedException e) {
        // that is how bad it is
      }
    }
  }

  void busily() {
    while (end.getCount() != 0) {
      Thread.onSpinWait();
    }
  }

  void end() {
    end.countDown();
  }
}
