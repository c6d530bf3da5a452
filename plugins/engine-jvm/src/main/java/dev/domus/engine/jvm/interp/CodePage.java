package dev.domus.engine.jvm.interp;

import java.util.Arrays;

/**
 * What one vCPU has decoded from one machine frame.
 *
 * <p>Blocks do not depend on the linear address at which the frame is mapped. The bytes that were
 * decoded are kept, so that a frame which was stored to can be found unchanged where it matters:
 * code and data often share a page.
 */
final class CodePage {
  static final int SIZE = 4096;
  private static final int LINE_SHIFT = 6;

  final long mfn;

  /** Version of the frame for which the blocks are known to be right. */
  int version;

  /** The frame's contents at that version; exact only in {@link #lines}. */
  final byte[] bytes = new byte[SIZE];

  /** Bit n is set if instructions were decoded from bytes 64n to 64n+63. */
  long lines;

  /** How often data beside the code was stored to. */
  int dataStores;

  /** Something beside the decoded lines was stored to since {@link #bytes} was read. */
  boolean stale;

  private final Block[] heads = new Block[SIZE >> LINE_SHIFT];

  CodePage(long mfn) {
    this.mfn = mfn;
  }

  Block find(int at) {
    Block b = heads[at >> LINE_SHIFT];
    while (b != null && b.at != at) {
      b = b.sibling;
    }
    return b;
  }

  void add(Block b) {
    int line = b.at >> LINE_SHIFT;
    b.sibling = heads[line];
    heads[line] = b;
    lines |= linesOf(b.at, b.bytes);
  }

  void remove(Block b) {
    int line = b.at >> LINE_SHIFT;
    if (heads[line] == b) {
      heads[line] = b.sibling;
      return;
    }
    for (Block p = heads[line]; p != null; p = p.sibling) {
      if (p.sibling == b) {
        p.sibling = b.sibling;
        return;
      }
    }
  }

  /** Says whether a store of some bytes hits lines that instructions were decoded from. */
  boolean holdsCode(int at, int size) {
    return (lines & linesOf(at, size)) != 0;
  }

  /** Takes over new contents; false if instructions that were decoded have changed. */
  boolean accept(byte[] now) {
    for (int line = 0; line < 64; line++) {
      if ((lines >>> line & 1) != 0) {
        int from = line << LINE_SHIFT;
        int to = from + (1 << LINE_SHIFT);
        if (!Arrays.equals(bytes, from, to, now, from, to)) {
          return false;
        }
      }
    }
    System.arraycopy(now, 0, bytes, 0, SIZE);
    stale = false;
    return true;
  }

  /** Takes over new contents of the lines that nothing was decoded from. */
  void refresh(byte[] now) {
    for (int line = 0; line < 64; line++) {
      if ((lines >>> line & 1) == 0) {
        System.arraycopy(now, line << LINE_SHIFT, bytes, line << LINE_SHIFT, 1 << LINE_SHIFT);
      }
    }
    stale = false;
  }

  /** Makes every block stop before its next instruction. */
  void breakOff() {
    for (Block head : heads) {
      for (Block b = head; b != null; b = b.sibling) {
        b.breakOff();
      }
    }
  }

  private static long linesOf(int at, int size) {
    int first = at >> LINE_SHIFT;
    int last = Math.min(at + Math.max(size, 1) - 1, SIZE - 1) >> LINE_SHIFT;
    return -1L >>> 63 - (last - first) << first;
  }
}
