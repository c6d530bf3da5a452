package dev.domus.console;

import java.util.Arrays;

/**
 * The last {@value #CAPACITY} bytes that a guest has printed, by their position since it began.
 * Grows as it is needed: a domain that prints nothing costs nothing.
 *
 * <p>Not thread-safe: its console's lock is held.
 */
final class OutputLog {
  /**
   * How much is kept. Twice what a boot of Linux prints, and a thousand screens fewer than would
   * matter.
   */
  static final int CAPACITY = 128 * 1024;

  private static final int FIRST = 4096;

  private byte[] bytes = {};
  private long end;

  /** Position of the oldest byte that is kept. */
  long start() {
    return Math.max(0, end - CAPACITY);
  }

  /** Position behind the newest byte. */
  long end() {
    return end;
  }

  void append(byte[] source, int length) {
    grow(end + length);
    for (int done = 0; done < length; ) {
      int to = (int) ((end + done) % bytes.length);
      int part = Math.min(length - done, bytes.length - to);
      System.arraycopy(source, done, bytes, to, part);
      done += part;
    }
    end += length;
  }

  /** Copies what is kept from a position on; returns how much. */
  int copy(long position, byte[] target) {
    int count = (int) Math.min(target.length, end - position);
    for (int done = 0; done < count; ) {
      int from = (int) ((position + done) % bytes.length);
      int part = Math.min(count - done, bytes.length - from);
      System.arraycopy(bytes, from, target, done, part);
      done += part;
    }
    return count;
  }

  /**
   * While nothing has been overwritten, positions and places are the same, and growing is copying.
   */
  private void grow(long needed) {
    if (bytes.length < CAPACITY && needed > bytes.length) {
      long size = Math.max(FIRST, bytes.length);
      while (size < needed && size < CAPACITY) {
        size *= 2;
      }
      bytes = Arrays.copyOf(bytes, (int) size);
    }
  }
}
