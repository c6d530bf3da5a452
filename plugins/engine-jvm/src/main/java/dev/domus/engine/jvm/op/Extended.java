package dev.domus.engine.jvm.op;

import dev.domus.kernel.engine.FpuState;
import java.math.BigInteger;

/**
 * An 80-bit floating-point value (Intel SDM vol. 1, 4.2 and 4.8), and IEEE 754 arithmetic on it
 * with the rounding and precision of the x87 control word.
 *
 * <pre>
 *    79  78          64 63 62                         0
 *   +---+--------------+--+----------------------------+
 *   | S |   exponent   | J|          fraction          |    value = (-1)^S 2^(exponent - 16383) J.fraction
 *   +---+--------------+--+----------------------------+
 * </pre>
 *
 * <p>Operations work on a sign, an exponent and 128 bits of significand, normalized, with all that
 * was shifted out or away gathered in the lowest bit ("sticky"), and end in {@link #round}.
 *
 * @param signExponent sign in bit 15, biased exponent below
 * @param significand with the explicit integer bit
 */
record Extended(int signExponent, long significand) {
  static final int BIAS = 16383;
  private static final int SPECIAL = 0x7FFF;
  private static final long INTEGER_BIT = 1L << 63;
  private static final long QUIET_BIT = 1L << 62;

  static final Extended ZERO = new Extended(0, 0);
  static final Extended ONE = new Extended(BIAS, INTEGER_BIT);
  static final Extended INDEFINITE = new Extended(0xFFFF, INTEGER_BIT | QUIET_BIT);

  boolean negative() {
    return (signExponent & 0x8000) != 0;
  }

  int exponent() {
    return signExponent & SPECIAL;
  }

  boolean isNan() {
    return exponent() == SPECIAL && significand << 1 != 0;
  }

  boolean isSignalling() {
    return isNan() && (significand & QUIET_BIT) == 0;
  }

  boolean isInfinite() {
    return exponent() == SPECIAL && significand << 1 == 0;
  }

  boolean isZero() {
    return exponent() == 0 && significand == 0;
  }

  /**
   * An encoding that processors since the 387 refuse: integer bit clear with an exponent that is
   * not zero.
   */
  boolean isUnsupported() {
    return exponent() != 0 && significand >= 0;
  }

  boolean isDenormal() {
    return exponent() == 0 && significand != 0;
  }

  Extended negate() {
    return new Extended(signExponent ^ 0x8000, significand);
  }

  Extended absolute() {
    return new Extended(signExponent & SPECIAL, significand);
  }

  private Extended quiet() {
    return new Extended(signExponent, significand | QUIET_BIT);
  }

  private static Extended signed(boolean negative, int exponent, long significand) {
    return new Extended(exponent | (negative ? 0x8000 : 0), significand);
  }

  static Extended infinity(boolean negative) {
    return signed(negative, SPECIAL, INTEGER_BIT);
  }

  // ---- conversions, exact but where said ----

  static Extended ofLong(long value) {
    if (value == 0) {
      return ZERO;
    }
    long magnitude = Math.abs(value);
    int shift = Long.numberOfLeadingZeros(magnitude);
    return signed(value < 0, BIAS + 63 - shift, magnitude << shift);
  }

  static Extended ofDouble(FpuState f, long bits) {
    boolean negative = bits < 0;
    int exponent = (int) (bits >>> 52) & 0x7FF;
    long fraction = bits & (1L << 52) - 1;
    return of(f, negative, exponent, fraction << 11, 0x7FF, 1023);
  }

  static Extended ofSingle(FpuState f, int bits) {
    return of(f, bits < 0, bits >>> 23 & 0xFF, (bits & 0x7FFFFFL) << 40, 0xFF, 127);
  }

  private static Extended of(
      FpuState f, boolean negative, int exponent, long fraction, int special, int bias) {
    if (exponent == special) {
      Extended value = signed(negative, SPECIAL, fraction | INTEGER_BIT);
      if (value.isSignalling()) {
        X87.raise(f, X87.IE);
        return value.quiet();
      }
      return value;
    }
    if (exponent != 0) {
      return signed(negative, exponent - bias + BIAS, fraction | INTEGER_BIT);
    }
    if (fraction == 0) {
      return signed(negative, 0, 0);
    }
    X87.raise(f, X87.DE);
    int shift = Long.numberOfLeadingZeros(fraction);
    return signed(negative, BIAS - bias + 1 - shift, fraction << shift);
  }

  /** Rounds to double precision, as FST m64 does. */
  long toDouble(FpuState f) {
    return toFormat(f, 53, 1023, 0x7FF, 52);
  }

  /** Rounds to single precision. */
  int toSingle(FpuState f) {
    return (int) toFormat(f, 24, 127, 0xFF, 23);
  }

  private long toFormat(FpuState f, int precision, int bias, int special, int fractionBits) {
    long sign = negative() ? 1L << fractionBits + (special == 0xFF ? 8 : 11) : 0;
    if (isUnsupported()) {
      X87.raise(f, X87.IE);
      return INDEFINITE.toFormat(f, precision, bias, special, fractionBits);
    }
    if (exponent() == SPECIAL) {
      if (isSignalling()) {
        X87.raise(f, X87.IE);
      }
      long fraction = significand << 1 >>> 64 - fractionBits;
      return sign
          | (long) special << fractionBits
          | (isNan() ? fraction | 1L << fractionBits - 1 : 0);
    }
    if (significand == 0) {
      return sign;
    }
    int shift = Long.numberOfLeadingZeros(significand);
    int e = Math.max(exponent(), 1) - shift - BIAS + bias;
    long high = significand << shift;
    long low = 0;
    boolean tiny = e <= 0;
    boolean tinyAfterRounding =
        tiny
            && !(e == 0
                && roundsToNextExponent(X87.roundingControl(f), negative(), high, 0, precision));
    if (tiny) {
      int by = Math.min(1 - e, 66);
      low = by < 64 ? high << 64 - by : by == 64 ? high : 1;
      high = by < 64 ? high >>> by : 0;
      e = 0;
    }
    int drop = 64 - precision;
    long rest = high << 64 - drop;
    boolean inexact = rest != 0 || low != 0;
    long kept = high >>> drop;
    if (roundsUp(X87.roundingControl(f), negative(), kept, rest, low)) {
      kept++;
    }
    if (inexact) {
      X87.raise(f, tinyAfterRounding ? X87.PE | X87.UE : X87.PE);
    }
    if (tiny) {
      return sign | kept; // a carry into the integer bit makes the exponent 1 by itself
    }
    if (kept >>> precision != 0) {
      kept >>>= 1;
      e++;
    }
    if (e >= special) {
      X87.raise(f, X87.OE | X87.PE);
      boolean infinite = roundsOverflowToInfinity(X87.roundingControl(f), negative());
      return sign
          | (infinite ? (long) special << fractionBits : ((long) special << fractionBits) - 1);
    }
    return sign | (long) e << fractionBits | kept & (1L << fractionBits) - 1;
  }

  /** Rounds to an integer of some bytes; what does not fit is the integer indefinite. */
  long toInteger(FpuState f, int bytes, int roundingControl) {
    long indefinite = -1L << 8 * bytes - 1;
    Extended r =
        isZero()
            ? this
            : exponent() == SPECIAL || isUnsupported()
                ? null
                : roundToIntegral(f, roundingControl, false);
    if (r == null || !r.isZero() && r.exponent() > BIAS + 8 * bytes - 1) {
      X87.raise(f, X87.IE);
      return indefinite;
    }
    if (r.isZero()) {
      inexactIfChanged(f, r);
      return 0;
    }
    long magnitude = r.significand >>> BIAS + 63 - r.exponent();
    boolean fits =
        r.exponent() < BIAS + 8 * bytes - 1
            || r.exponent() == BIAS + 8 * bytes - 1
                && r.negative()
                && magnitude == (bytes == 8 ? Long.MIN_VALUE : -indefinite);
    if (!fits) {
      X87.raise(f, X87.IE);
      return indefinite;
    }
    inexactIfChanged(f, r);
    return r.negative() ? -magnitude : magnitude;
  }

  private void inexactIfChanged(FpuState f, Extended r) {
    if (r.signExponent != signExponent || r.significand != significand) {
      X87.raise(f, X87.PE);
    }
  }

  /** FRNDINT. */
  Extended roundToIntegral(FpuState f, int roundingControl, boolean flags) {
    if (exponent() >= BIAS + 63 || isZero()) {
      return this;
    }
    Extended r;
    if (exponent() < BIAS - 1) {
      boolean up = roundsUp(roundingControl, negative(), 0, 0, 1);
      r = up ? signed(negative(), BIAS, INTEGER_BIT) : signed(negative(), 0, 0);
    } else {
      int drop = BIAS + 63 - exponent(); // 1 to 64
      long rest = drop == 64 ? significand : significand << 64 - drop;
      long kept = drop == 64 ? 0 : significand >>> drop;
      if (roundsUp(roundingControl, negative(), kept, rest, 0)) {
        kept++;
      }
      if (kept == 0) {
        r = signed(negative(), 0, 0);
      } else {
        int shift = Long.numberOfLeadingZeros(kept);
        r = signed(negative(), BIAS + 63 - shift, kept << shift);
      }
    }
    if (flags) {
      inexactIfChanged(f, r);
    }
    return r;
  }

  private static boolean roundsUp(
      int roundingControl, boolean negative, long kept, long rest, long low) {
    if (rest == 0 && low == 0) {
      return false;
    }
    return switch (roundingControl) {
      case 0 -> rest < 0 && (rest << 1 != 0 || low != 0 || (kept & 1) != 0);
      case 1 -> negative;
      case 2 -> !negative;
      default -> false;
    };
  }

  private static boolean roundsOverflowToInfinity(int roundingControl, boolean negative) {
    return roundingControl == 0 || roundingControl == (negative ? 1 : 2);
  }

  /**
   * Rounds and packs a result.
   *
   * @param exponent biased exponent for {@code high} with its top bit set; may be out of range
   * @param low what follows {@code high}, sticky in bit 0
   */
  private static Extended round(
      FpuState f, boolean negative, int exponent, long high, long low, int precision) {
    int rc = X87.roundingControl(f);
    int e = exponent;
    boolean tiny = e <= 0;
    boolean tinyAfterRounding =
        tiny && !(e == 0 && roundsToNextExponent(rc, negative, high, low, precision));
    if (tiny) {
      int by = Math.min(1 - e, 127);
      if (by < 64) {
        low = high << 64 - by | low >>> by | (low << 64 - by != 0 ? 1 : 0);
        high >>>= by;
      } else {
        low =
            (by == 64 ? high : high >>> by - 64)
                | (low != 0 || by > 64 && high << 128 - by != 0 ? 1 : 0);
        high = 0;
      }
      e = 0;
    }
    int drop = 64 - precision;
    long rest = drop == 0 ? low : high << 64 - drop | (low != 0 ? 1 : 0);
    long kept = drop == 0 ? high : high >>> drop;
    boolean up = roundsUp(rc, negative, kept, rest, 0);
    boolean inexact = rest != 0;
    if (up) {
      kept++;
    }
    long z = kept << drop;
    boolean carried = up && kept << drop == 0 && !(tiny && kept == 0);
    if (carried && !tiny) {
      z = INTEGER_BIT;
      e++;
    }
    if (tiny && z < 0) {
      e = 1;
    }
    if (inexact) {
      X87.raise(f, tinyAfterRounding ? X87.PE | X87.UE : X87.PE);
    }
    if (e >= SPECIAL) {
      X87.raise(f, X87.OE | X87.PE);
      return roundsOverflowToInfinity(rc, negative)
          ? infinity(negative)
          : signed(negative, SPECIAL - 1, -1L << drop);
    }
    return signed(negative, e, z);
  }

  /** Whether rounding alone, with no bound on exponents, carries all the way up. */
  private static boolean roundsToNextExponent(
      int rc, boolean negative, long high, long low, int precision) {
    int drop = 64 - precision;
    long rest = drop == 0 ? low : high << 64 - drop | (low != 0 ? 1 : 0);
    long kept = high >>> drop;
    return kept == -1L >>> drop && roundsUp(rc, negative, kept, rest, 0);
  }

  // ---- arithmetic ----

  /**
   * What an operation gives if an operand is a NaN or no supported encoding; null if neither is.
   */
  static Extended nanOf(FpuState f, Extended a, Extended b) {
    if (a.isUnsupported() || b.isUnsupported()) {
      X87.raise(f, X87.IE);
      return INDEFINITE;
    }
    if (!a.isNan() && !b.isNan()) {
      if (a.exponent() == 0 && a.significand != 0 || b.exponent() == 0 && b.significand != 0) {
        X87.raise(f, X87.DE);
      }
      return null;
    }
    if (a.isSignalling() || b.isSignalling()) {
      X87.raise(f, X87.IE);
    }
    if (!b.isNan()) {
      return a.quiet();
    }
    if (!a.isNan()) {
      return b.quiet();
    }
    if (a.isSignalling() != b.isSignalling()) {
      return a.isSignalling() ? b : a; // of a quiet and a signalling one, the quiet one
    }
    int order =
        Long.compareUnsigned(
            a.significand, b.significand); // the larger significand; then the positive one
    return (order > 0 || order == 0 && !a.negative() ? a : b).quiet();
  }

  private static Extended invalid(FpuState f) {
    X87.raise(f, X87.IE);
    return INDEFINITE;
  }

  private int normalShift() {
    return Long.numberOfLeadingZeros(significand);
  }

  static Extended add(FpuState f, Extended a, Extended b) {
    Extended nan = nanOf(f, a, b);
    if (nan != null) {
      return nan;
    }
    if (a.isInfinite() || b.isInfinite()) {
      return a.isInfinite() && b.isInfinite() && a.negative() != b.negative()
          ? invalid(f)
          : a.isInfinite() ? a : b;
    }
    if (a.isZero() && b.isZero()) {
      return a.negative() == b.negative() ? a : signed(X87.roundingControl(f) == 1, 0, 0);
    }
    int ea = Math.max(a.exponent(), 1);
    int eb = Math.max(b.exponent(), 1);
    if (ea < eb || ea == eb && Long.compareUnsigned(a.significand, b.significand) < 0) {
      Extended t = a;
      a = b;
      b = t;
      int e = ea;
      ea = eb;
      eb = e;
    }
    int by = ea - eb;
    long bh = by < 64 ? b.significand >>> by : 0;
    long bl =
        by == 0
            ? 0
            : by < 64
                ? b.significand << 64 - by
                : by == 64
                    ? b.significand
                    : by < 128
                        ? b.significand >>> by - 64 | (b.significand << 128 - by != 0 ? 1 : 0)
                        : b.significand != 0 ? 1 : 0;
    long high;
    long low;
    int e = ea;
    if (a.negative() == b.negative()) {
      high = a.significand + bh;
      low = bl;
      if (Long.compareUnsigned(high, a.significand) < 0) {
        low = high << 63 | low >>> 1 | low & 1;
        high = high >>> 1 | INTEGER_BIT;
        e++;
      }
    } else {
      low = -bl;
      high = a.significand - bh - (bl != 0 ? 1 : 0);
      if (high == 0 && low == 0) {
        return signed(X87.roundingControl(f) == 1, 0, 0);
      }
    }
    return normalizeAndRound(f, a.negative(), e, high, low);
  }

  private static Extended normalizeAndRound(
      FpuState f, boolean negative, int e, long high, long low) {
    int shift = high != 0 ? Long.numberOfLeadingZeros(high) : 64 + Long.numberOfLeadingZeros(low);
    if (shift >= 64) {
      high = low << shift - 64;
      low = 0;
    } else if (shift > 0) {
      high = high << shift | low >>> 64 - shift;
      low <<= shift;
    }
    return round(f, negative, e - shift, high, low, X87.precision(f));
  }

  static Extended subtract(FpuState f, Extended a, Extended b) {
    Extended nan = nanOf(f, a, b);
    return nan != null ? nan : add(f, a, b.negate());
  }

  static Extended multiply(FpuState f, Extended a, Extended b) {
    Extended nan = nanOf(f, a, b);
    if (nan != null) {
      return nan;
    }
    boolean negative = a.negative() != b.negative();
    if (a.isInfinite() || b.isInfinite()) {
      return a.isZero() || b.isZero() ? invalid(f) : infinity(negative);
    }
    if (a.isZero() || b.isZero()) {
      return signed(negative, 0, 0);
    }
    int sa = a.normalShift();
    int sb = b.normalShift();
    long x = a.significand << sa;
    long y = b.significand << sb;
    int e = Math.max(a.exponent(), 1) - sa + Math.max(b.exponent(), 1) - sb - BIAS + 1;
    return normalizeAndRound(f, negative, e, Math.unsignedMultiplyHigh(x, y), x * y);
  }

  static Extended divide(FpuState f, Extended a, Extended b) {
    Extended nan = nanOf(f, a, b);
    if (nan != null) {
      return nan;
    }
    boolean negative = a.negative() != b.negative();
    if (a.isInfinite()) {
      return b.isInfinite() ? invalid(f) : infinity(negative);
    }
    if (b.isInfinite()) {
      return signed(negative, 0, 0);
    }
    if (b.isZero()) {
      if (a.isZero()) {
        return invalid(f);
      }
      X87.raise(f, X87.ZE);
      return infinity(negative);
    }
    if (a.isZero()) {
      return signed(negative, 0, 0);
    }
    int sa = a.normalShift();
    int sb = b.normalShift();
    long n = a.significand << sa;
    long d = b.significand << sb;
    int e = Math.max(a.exponent(), 1) - sa - (Math.max(b.exponent(), 1) - sb) + BIAS;
    long high = 0;
    long low = 0;
    boolean carry = false;
    for (int bit = 0; bit < 128; bit++) { // restoring division, a bit a turn
      boolean fits = carry || Long.compareUnsigned(n, d) >= 0;
      if (fits) {
        n -= d;
      }
      high = high << 1 | low >>> 63;
      low = low << 1 | (fits ? 1 : 0);
      carry = n < 0;
      n <<= 1;
    }
    low |= n != 0 || carry ? 1 : 0;
    return normalizeAndRound(f, negative, e, high, low);
  }

  static Extended squareRoot(FpuState f, Extended a) {
    Extended nan = nanOf(f, a, ONE);
    if (nan != null) {
      return nan;
    }
    if (a.isZero()) {
      return a;
    }
    if (a.negative()) {
      return invalid(f);
    }
    if (a.isInfinite()) {
      return a;
    }
    int shift = a.normalShift();
    int e = Math.max(a.exponent(), 1) - shift - BIAS;
    BigInteger radicand =
        new BigInteger(Long.toUnsignedString(a.significand << shift))
            .shiftLeft((e & 1) == 0 ? 67 : 68); // value * 2^(63 + 67), so that the root has 66 bits
    BigInteger[] root = radicand.sqrtAndRemainder();
    long high = root[0].shiftRight(2).longValue();
    long low = root[0].longValue() << 62 | (root[1].signum() != 0 ? 1 : 0);
    return round(f, false, (e - (e & 1)) / 2 + BIAS, high, low, X87.precision(f));
  }

  /** Compares two numbers that are no NaNs: -1, 0 or 1. */
  static int compare(Extended a, Extended b) {
    if (a.isZero() && b.isZero()) {
      return 0;
    }
    if (a.negative() != b.negative()) {
      return a.negative() ? -1 : 1;
    }
    int order =
        a.exponent() != b.exponent()
            ? Integer.compare(a.exponent(), b.exponent())
            : Long.compareUnsigned(a.significand, b.significand);
    return a.negative() ? -order : order;
  }

  /** The nearest double, for the transcendental functions, which are computed in that precision. */
  double approximate() {
    FpuState scratch = new FpuState();
    return Double.longBitsToDouble(toDouble(scratch));
  }

  static Extended ofDouble(double value) {
    return ofDouble(new FpuState(), Double.doubleToRawLongBits(value));
  }

  /** Scales by a power of two: FSCALE. */
  static Extended scale(FpuState f, Extended a, int by) {
    int shift = a.normalShift();
    return round(
        f, a.negative(), Math.max(a.exponent(), 1) - shift + by, a.significand << shift, 0, 64);
  }
}
