package dev.domus.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

class OutputLogTest {
  @Test
  void itKeepsTheLastBytesAtTheirPositions() {
    Random random = new Random(1);
    OutputLog log = new OutputLog();
    byte[] all = new byte[5 * OutputLog.CAPACITY];
    random.nextBytes(all);
    int end = 0;
    byte[] piece = new byte[2048];
    byte[] kept = new byte[OutputLog.CAPACITY + 1];
    while (end + piece.length <= all.length) {
      int length = random.nextInt(piece.length + 1);
      System.arraycopy(all, end, piece, 0, length);
      log.append(piece, length);
      end += length;
      assertEquals(end, log.end());
      assertEquals(Math.max(0, end - OutputLog.CAPACITY), log.start());
      long from = log.start() + random.nextInt((int) (end - log.start()) + 1);
      int count = log.copy(from, kept);
      assertEquals(end - from, count);
      for (int i = 0; i < count; i++) {
        if (kept[i] != all[(int) from + i]) {
          throw new AssertionError("position=" + (from + i));
        }
      }
    }
    assertTrue(end > 4 * OutputLog.CAPACITY);
  }
}
