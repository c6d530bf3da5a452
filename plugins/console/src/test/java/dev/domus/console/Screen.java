package dev.domus.console;

import dev.domus.kernel.service.ConsoleService;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** A client that remembers what it was given; it can be frozen. */
final class Screen implements ConsoleService.Output {
  private final StringBuilder text = new StringBuilder();
  private boolean frozen;

  @Override
  public synchronized void write(byte[] bytes, int offset, int length) {
    while (frozen) {
      try {
        wait();
      } catch (InterruptedException e) {
        return;
      }
    }
    text.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
    notifyAll();
  }

  synchronized void freeze(boolean whether) {
    frozen = whether;
    notifyAll();
  }

  synchronized String text() {
    return text.toString();
  }

  /** Waits for a text. */
  synchronized String await(Predicate<String> condition) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (!condition.test(text.toString())) {
      long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
      if (left <= 0) {
        throw new AssertionError("not on the screen; length=" + text.length());
      }
      wait(left);
    }
    return text.toString();
  }
}
