package dev.domus.isolation;

/**
 * Says that something has happened at a guest, and lets a test wait for that: a domain's console
 * and the end of a domain are announced by event channels, whose handlers call {@link #heard}.
 */
final class News {
  private long count;

  /** Something has happened. */
  synchronized void heard() {
    count++;
    notifyAll();
  }

  /** To be taken before looking at what news are about. */
  synchronized long count() {
    return count;
  }

  /**
   * Waits for news.
   *
   * @param seen what {@link #count} was before the look
   * @param deadline by {@link System#nanoTime}
   * @return false if there were none until then
   */
  synchronized boolean await(long seen, long deadline) throws InterruptedException {
    while (count == seen) {
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        return false;
      }
      wait(left / 1_000_000 + 1);
    }
    return true;
  }
}
