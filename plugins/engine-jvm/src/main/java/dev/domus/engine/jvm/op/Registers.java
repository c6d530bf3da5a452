package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;

/**
 * Parts of general registers (Intel SDM vol. 1, 3.4.1.1): writing 32 bits clears the upper half,
 * writing 16 or 8 bits leaves the rest. AH, CH, DH and BH are numbered {@link #HIGH} + 0 to 3.
 */
final class Registers {
  /** Added to 0 to 3 for the second byte of RAX to RBX. */
  static final int HIGH = 32;

  private Registers() {}

  /** Number of a register operand of some size. */
  static int number(Insn insn, int n, int size) {
    return size == 1 && insn.rex == 0 && n >= 4 && n < 8 ? HIGH + n - 4 : n;
  }

  static long get(long[] r, int n, int size) {
    return switch (size) {
      case 8 -> r[n];
      case 4 -> r[n] & 0xFFFFFFFFL;
      case 2 -> r[n] & 0xFFFF;
      default -> n < HIGH ? r[n] & 0xFF : r[n - HIGH] >>> 8 & 0xFF;
    };
  }

  static void set(long[] r, int n, int size, long value) {
    switch (size) {
      case 8 -> r[n] = value;
      case 4 -> r[n] = value & 0xFFFFFFFFL;
      case 2 -> r[n] = r[n] & ~0xFFFFL | value & 0xFFFF;
      default -> {
        if (n < HIGH) {
          r[n] = r[n] & ~0xFFL | value & 0xFF;
        } else {
          r[n - HIGH] = r[n - HIGH] & ~0xFF00L | (value & 0xFF) << 8;
        }
      }
    }
  }
}
