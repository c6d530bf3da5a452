package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.fail;

import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Waits for a condition; a minute is for ever. */
public final class Await {
  private static final long FOR_EVER_NANOS = 60_000_000_000L;

  private Await() {}

  /** Waits until the condition holds; fails after a minute. */
  public static void until(String what, BooleanSupplier condition) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - start > FOR_EVER_NANOS) {
        fail("waited in vain until " + what);
      }
      LockSupport.parkNanos(100_000);
    }
  }
}
