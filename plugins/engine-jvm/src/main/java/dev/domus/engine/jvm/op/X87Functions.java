package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.op.X87Op.Action;
import dev.domus.kernel.engine.FpuState;
import java.math.BigInteger;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;

/**
 * x87 constants and functions, D9 E5 to D9 FF. Square root, remainders, scaling and rounding are
 * exact; the transcendental functions are computed in double precision, of which 53 of 64 bits are
 * right.
 */
final class X87Functions {
  private static final long[] CONSTANTS = {
    0x8000000000000000L,
    0xD49A784BCD1B8AFEL,
    0xB8AA3B295C17F0BCL,
    0xC90FDAA22168C235L,
    0x9A209A84FBCFF799L,
    0xB17217F7D1CF79ACL,
    0
  };
  private static final int[] EXPONENTS = {0x3FFF, 0x4000, 0x3FFF, 0x4000, 0x3FFD, 0x3FFE, 0};

  private X87Functions() {}

  /**
   * FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: the nearest values, or those on the side
   * that rounding asks for.
   */
  static Extended constant(int n, int roundingControl) {
    boolean nearestIsAbove = n >= 2 && n <= 5;
    long adjust =
        n == 1 && roundingControl == 2 ? 1 : nearestIsAbove && (roundingControl & 1) != 0 ? -1 : 0;
    return new Extended(EXPONENTS[n], CONSTANTS[n] + adjust);
  }

  /** FXAM. */
  static void examine(FpuState f) {
    int p = X87.physical(f, 0);
    Extended a = new Extended(f.signExponent[p], f.significand[p]);
    int kind;
    if (X87.isEmpty(f, 0)) {
      kind = X87.C3 | X87.C0;
    } else if (a.isUnsupported()) {
      kind = 0;
    } else if (a.isNan()) {
      kind = X87.C0;
    } else if (a.isInfinite()) {
      kind = X87.C2 | X87.C0;
    } else if (a.isZero()) {
      kind = X87.C3;
    } else {
      kind = a.exponent() == 0 ? X87.C3 | X87.C2 : X87.C2;
    }
    X87.conditions(f, kind | (a.negative() ? X87.C1 : 0));
  }

  /** D9 F0 to D9 FF. */
  static Action function(int n) {
    return switch (n) {
      case 0 -> unary(x -> Math.expm1(x * Math.log(2)));
      case 1 -> binary((x, y) -> y * Math.log(x) / Math.log(2));
      case 2 -> (c, f, va) -> pushAfter(f, Math.tan(X87.get(f, 0).approximate()), Extended.ONE);
      case 3 -> binary((x, y) -> Math.atan2(y, x));
      case 4 -> (c, f, va) -> extract(f);
      case 5 -> (c, f, va) -> remainder(f, true);
      case 6 ->
          (c, f, va) -> {
            X87.turn(f, -1);
            f.fsw &= ~X87.C1;
          };
      case 7 ->
          (c, f, va) -> {
            X87.turn(f, 1);
            f.fsw &= ~X87.C1;
          };
      case 8 -> (c, f, va) -> remainder(f, false);
      case 9 -> binary((x, y) -> y * Math.log1p(x) / Math.log(2));
      case 10 ->
          (c, f, va) -> {
            f.fsw &= ~X87.C1;
            X87.set(f, 0, Extended.squareRoot(f, X87.get(f, 0)));
          };
      case 11 ->
          (c, f, va) -> {
            double x = X87.get(f, 0).approximate();
            pushAfter(f, Math.sin(x), Extended.ofDouble(Math.cos(x)));
          };
      case 12 ->
          (c, f, va) -> {
            f.fsw &= ~X87.C1;
            Extended a = X87.get(f, 0);
            Extended nan = Extended.nanOf(f, a, Extended.ONE);
            X87.set(
                f,
                0,
                nan != null
                    ? nan
                    : a.isInfinite() ? a : a.roundToIntegral(f, X87.roundingControl(f), true));
          };
      case 13 -> (c, f, va) -> scale(f);
      case 14 -> unary(Math::sin);
      default -> unary(Math::cos);
    };
  }

  private static Action unary(DoubleUnaryOperator function) {
    return (c, f, va) -> {
      Extended a = X87.get(f, 0);
      X87.conditions(f, 0);
      X87.set(
          f,
          0,
          a.isZero() && function.applyAsDouble(0) == 0
              ? a
              : Extended.ofDouble(function.applyAsDouble(a.approximate())));
      X87.raise(f, X87.PE);
    };
  }

  private static Action binary(DoubleBinaryOperator function) {
    return (c, f, va) -> {
      double x = X87.get(f, 0).approximate();
      double y = X87.get(f, 1).approximate();
      f.fsw &= ~X87.C1;
      X87.set(f, 1, Extended.ofDouble(function.applyAsDouble(x, y)));
      X87.raise(f, X87.PE);
      X87.pop(f);
    };
  }

  private static void pushAfter(FpuState f, double result, Extended pushed) {
    X87.conditions(f, 0);
    X87.set(f, 0, Extended.ofDouble(result));
    X87.push(f, pushed);
    X87.raise(f, X87.PE);
  }

  private static void extract(FpuState f) {
    if (!X87.isEmpty(f, 7)) { // no room for the second result: neither is given
      X87.set(f, 0, Extended.INDEFINITE);
      X87.push(f, Extended.INDEFINITE);
      return;
    }
    Extended a = X87.get(f, 0);
    f.fsw &= ~X87.C1;
    if (a.isNan() || a.isUnsupported()) {
      Extended nan = Extended.nanOf(f, a, Extended.ONE);
      X87.set(f, 0, nan);
      X87.push(f, nan);
    } else if (a.isZero()) {
      X87.raise(f, X87.ZE);
      X87.set(f, 0, Extended.infinity(true));
      X87.push(f, a);
    } else if (a.isInfinite()) {
      X87.set(f, 0, Extended.infinity(false));
      X87.push(f, a);
    } else {
      int shift = Long.numberOfLeadingZeros(a.significand());
      X87.set(f, 0, Extended.ofLong(Math.max(a.exponent(), 1) - shift - Extended.BIAS));
      X87.push(
          f, new Extended(Extended.BIAS | a.signExponent() & 0x8000, a.significand() << shift));
    }
  }

  private static void scale(FpuState f) {
    boolean underflow = X87.isEmpty(f, 0) || X87.isEmpty(f, 1);
    Extended a = X87.get(f, 0);
    Extended b = X87.get(f, 1);
    f.fsw &= ~X87.C1;
    Extended nan = underflow ? Extended.INDEFINITE : Extended.nanOf(f, a, b);
    if (nan != null) {
      X87.set(f, 0, nan);
      return;
    }
    if (b.isInfinite()) {
      boolean invalid = b.negative() ? a.isInfinite() : a.isZero();
      if (invalid) {
        X87.raise(f, X87.IE);
      }
      X87.set(
          f,
          0,
          invalid
              ? Extended.INDEFINITE
              : b.negative()
                  ? new Extended(a.signExponent() & 0x8000, 0)
                  : Extended.infinity(a.negative()));
      return;
    }
    if (a.isZero() || a.isInfinite()) {
      return;
    }
    int by =
        b.exponent() > Extended.BIAS + 16
            ? b.negative() ? -70000 : 70000
            : (int) b.roundToIntegral(f, 3, false).approximate();
    X87.set(f, 0, Extended.scale(f, a, by));
  }

  /**
   * FPREM and FPREM1, complete in one step whatever the exponents: C2 is clear, C0, C3 and C1 hold
   * the quotient's low bits.
   */
  private static void remainder(FpuState f, boolean nearest) {
    boolean underflow = X87.isEmpty(f, 0) || X87.isEmpty(f, 1);
    Extended a = X87.get(f, 0);
    Extended b = X87.get(f, 1);
    X87.conditions(f, 0);
    if (underflow) {
      X87.set(f, 0, Extended.INDEFINITE);
      return;
    }
    Extended nan = Extended.nanOf(f, a, b);
    if (nan != null) {
      X87.set(f, 0, nan);
      return;
    }
    if (a.isInfinite() || b.isZero()) {
      X87.raise(f, X87.IE);
      X87.set(f, 0, Extended.INDEFINITE);
      return;
    }
    if (a.isZero() || b.isInfinite()) {
      return;
    }
    int e = Math.min(scaleOf(a), scaleOf(b));
    BigInteger x = integer(a, e);
    BigInteger y = integer(b, e);
    BigInteger[] parts = x.divideAndRemainder(y);
    BigInteger quotient = parts[0];
    BigInteger rest = parts[1];
    boolean negate = false;
    if (nearest) {
      int half = rest.shiftLeft(1).compareTo(y);
      if (half > 0 || half == 0 && quotient.testBit(0)) {
        rest = y.subtract(rest);
        negate = true;
        quotient = quotient.add(BigInteger.ONE);
      }
    }
    X87.conditions(
        f,
        (quotient.testBit(2) ? X87.C0 : 0)
            | (quotient.testBit(1) ? X87.C3 : 0)
            | (quotient.testBit(0) ? X87.C1 : 0));
    boolean negative = a.negative() != negate;
    X87.set(
        f,
        0,
        rest.signum() == 0 ? new Extended(a.signExponent() & 0x8000, 0) : pack(rest, e, negative));
  }

  /** The power of two that the significand's lowest bit stands for. */
  private static int scaleOf(Extended a) {
    return Math.max(a.exponent(), 1) - Extended.BIAS - 63;
  }

  private static BigInteger integer(Extended a, int e) {
    return new BigInteger(Long.toUnsignedString(a.significand())).shiftLeft(scaleOf(a) - e);
  }

  /** A remainder has no more significant bits than its operands, so it is exact. */
  private static Extended pack(BigInteger value, int e, boolean negative) {
    int lowest = Math.max(e + value.bitLength() - 64, 1 - Extended.BIAS - 63);
    long significand = value.shiftRight(lowest - e).longValue();
    int exponent = significand < 0 ? lowest + 63 + Extended.BIAS : 0;
    return new Extended(exponent | (negative ? 0x8000 : 0), significand);
  }
}
