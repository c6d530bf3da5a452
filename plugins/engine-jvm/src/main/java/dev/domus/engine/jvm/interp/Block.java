package dev.domus.engine.jvm.interp;

/**
 * A straight run of decoded instructions with one entry at its head and, faults aside, one exit at
 * its end.
 */
public final class Block {
  /** All but the last. */
  final Op[] ops;

  /** The last; replaced, like the others, when the block is overwritten while it runs. */
  Jump end;

  /** Instructions that retire when the block runs to its end. */
  final int count;

  final CodePage page;

  /** Offset of the first instruction in the page. */
  final int at;

  /** Bytes from {@link #at} to the end. */
  final int bytes;

  /** The next block that begins in the same line of the page. */
  Block sibling;

  /**
   * For an instruction that crosses into another page: that page's frame and the version it was
   * decoded from.
   */
  long tailMfn = -1;

  int tailVersion;

  Block(CodePage page, int at, int bytes, Op[] ops, Jump end) {
    this.page = page;
    this.at = at;
    this.bytes = bytes;
    this.ops = ops;
    this.end = end;
    this.count = ops.length + end.instructions;
  }

  /**
   * Makes the block stop before the next instruction, whichever that is, for its bytes may have
   * changed.
   */
  void breakOff() {
    for (int n = 0; n < ops.length; n++) {
      ops[n] = new Break(ops[n].at);
    }
    end = new Break(end.at);
  }

  /** Stands where an instruction was: the interpreter goes on at its address and decodes anew. */
  private static final class Break extends Jump {
    Break(int at) {
      super(at);
    }

    @Override
    public Block follow(Cpu c) {
      throw c.stop();
    }
  }
}
