package dev.domus.engine.jvm.op;

import dev.domus.kernel.engine.FpuState;

/**
 * The x87 register stack and control words (Intel SDM vol. 1, chapter 8).
 *
 * <p>Exceptions are recorded in the status word as if all were masked. An unmasked one (no kernel
 * or C library unmasks any by default) therefore gives the masked response and sets ES, but does
 * not raise #MF.
 */
final class X87 {
  static final int IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32, SF = 64, ES = 128;
  static final int C0 = 1 << 8,
      C1 = 1 << 9,
      C2 = 1 << 10,
      C3 = 1 << 14,
      CONDITIONS = C0 | C1 | C2 | C3;
  static final int DEFAULT_CONTROL = 0x37F;
  private static final int BUSY = 1 << 15;
  private static final int INDEFINITE_EXPONENT = 0xFFFF;
  private static final long INDEFINITE_SIGNIFICAND = 0xC000000000000000L;

  private X87() {}

  static int top(FpuState f) {
    return f.fsw >> 11 & 7;
  }

  private static void setTop(FpuState f, int top) {
    f.fsw = f.fsw & ~(7 << 11) | (top & 7) << 11;
  }

  static void turn(FpuState f, int by) {
    setTop(f, top(f) + by);
  }

  static int physical(FpuState f, int n) {
    return top(f) + n & 7;
  }

  static boolean isEmpty(FpuState f, int n) {
    return (f.ftw >> physical(f, n) & 1) == 0;
  }

  /** ST(n); an empty register is a stack underflow and reads as the indefinite. */
  static Extended get(FpuState f, int n) {
    if (isEmpty(f, n)) {
      raise(f, IE | SF);
      f.fsw &= ~C1;
      return new Extended(INDEFINITE_EXPONENT, INDEFINITE_SIGNIFICAND);
    }
    int p = physical(f, n);
    return new Extended(f.signExponent[p], f.significand[p]);
  }

  static void set(FpuState f, int n, Extended value) {
    int p = physical(f, n);
    f.signExponent[p] = value.signExponent();
    f.significand[p] = value.significand();
    f.ftw |= 1 << p;
  }

  static void push(FpuState f, Extended value) {
    boolean overflow = !isEmpty(f, 7);
    turn(f, -1);
    if (overflow) {
      raise(f, IE | SF);
      f.fsw |= C1;
      set(f, 0, new Extended(INDEFINITE_EXPONENT, INDEFINITE_SIGNIFICAND));
    } else {
      set(f, 0, value);
    }
  }

  static void pop(FpuState f) {
    f.ftw &= ~(1 << physical(f, 0));
    turn(f, 1);
  }

  static void conditions(FpuState f, int bits) {
    f.fsw = f.fsw & ~CONDITIONS | bits;
  }

  static void raise(FpuState f, int flags) {
    f.fsw |= flags;
    summarize(f);
  }

  /** ES and B say whether an unmasked exception is pending. */
  static void summarize(FpuState f) {
    if ((f.fsw & ~f.fcw & 0x3F) != 0) {
      f.fsw |= ES | BUSY;
    } else {
      f.fsw &= ~(ES | BUSY);
    }
  }

  static void initialize(FpuState f) {
    f.fcw = DEFAULT_CONTROL;
    f.fsw = 0;
    f.ftw = 0;
    f.fop = 0;
    f.fip = 0;
    f.fdp = 0;
  }

  static void setControl(FpuState f, int value) {
    f.fcw = value & 0x1F7F | 0x40;
    summarize(f);
  }

  static void clearExceptions(FpuState f) {
    f.fsw &= 0x7F00;
  }

  static int roundingControl(FpuState f) {
    return f.fcw >> 10 & 3;
  }

  /** Significant bits that arithmetic rounds to: 24, 53 or 64. */
  static int precision(FpuState f) {
    return switch (f.fcw >> 8 & 3) {
      case 0 -> 24;
      case 2 -> 53;
      default -> 64;
    };
  }

  /** The tag word in full: 0 valid, 1 zero, 2 special, 3 empty, for each physical register. */
  static int fullTags(FpuState f) {
    int tags = 0;
    for (int n = 0; n < 8; n++) {
      int exponent = f.signExponent[n] & 0x7FFF;
      int tag =
          (f.ftw >> n & 1) == 0
              ? 3
              : exponent == 0 && f.significand[n] == 0
                  ? 1
                  : exponent == 0 || exponent == 0x7FFF || f.significand[n] >= 0 ? 2 : 0;
      tags |= tag << 2 * n;
    }
    return tags;
  }

  static void setFullTags(FpuState f, int tags) {
    int abridged = 0;
    for (int n = 0; n < 8; n++) {
      abridged |= ((tags >> 2 * n & 3) == 3 ? 0 : 1) << n;
    }
    f.ftw = abridged;
  }
}
