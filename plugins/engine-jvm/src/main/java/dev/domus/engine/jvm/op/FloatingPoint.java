package dev.domus.engine.jvm.op;

/**
 * Single and double precision arithmetic with the results that SSE gives, bit for bit where
 * rounding is to nearest (Intel SDM vol. 1, 4.8.3 and 11.5).
 *
 * <p>Java's arithmetic is IEEE 754's with rounding to nearest, as is the processor's; they differ
 * in NaNs. SSE returns the first operand if that is a NaN, else the second, made quiet; and the
 * negative default NaN where an operation has no result. Values are passed as bits, because a Java
 * {@code float} may lose a signalling NaN on the way.
 *
 * <p>Other rounding modes than to nearest are honoured by conversions to integers alone,
 * flush-to-zero and denormals-are-zero not at all, and of the exception flags only those that
 * {@code Sse} sets explicitly; all are masked.
 */
final class FloatingPoint {
  static final int DEFAULT_NAN32 = 0xFFC00000;
  static final long DEFAULT_NAN64 = 0xFFF8000000000000L;
  private static final int QUIET32 = 1 << 22;
  private static final long QUIET64 = 1L << 51;

  static final int ADD = 8,
      MUL = 9,
      SUB = 12,
      MIN = 13,
      DIV = 14,
      MAX = 15,
      SQRT = 1,
      RSQRT = 2,
      RCP = 3;

  private FloatingPoint() {}

  static boolean isNan32(int a) {
    return (a & 0x7FFFFFFF) > 0x7F800000;
  }

  static boolean isNan64(long a) {
    return (a & Long.MAX_VALUE) > 0x7FF0000000000000L;
  }

  /** One of the arithmetic operations of opcodes 0F 51 to 0F 5F on single precision. */
  static int single(int operation, int a, int b) {
    float x = Float.intBitsToFloat(a);
    float y = Float.intBitsToFloat(b);
    if (operation == MIN) {
      return x < y ? a : b; // also for NaNs and zeros: the second operand
    }
    if (operation == MAX) {
      return x > y ? a : b;
    }
    if (operation <= RCP) {
      return isNan32(b) ? b | QUIET32 : root32(operation, y, b);
    }
    if (isNan32(a)) {
      return a | QUIET32;
    }
    if (isNan32(b)) {
      return b | QUIET32;
    }
    float z =
        switch (operation) {
          case ADD -> x + y;
          case MUL -> x * y;
          case SUB -> x - y;
          default -> x / y;
        };
    return z != z ? DEFAULT_NAN32 : Float.floatToRawIntBits(z);
  }

  private static int root32(int operation, float y, int bits) {
    if (y < 0 && operation != RCP) {
      return DEFAULT_NAN32;
    }
    float z =
        operation == RCP
            ? 1 / y
            : operation == SQRT ? (float) Math.sqrt(y) : (float) (1 / Math.sqrt(y));
    return operation == RSQRT && bits == 0x80000000 ? 0xFF800000 : Float.floatToRawIntBits(z);
  }

  /** The same on double precision. */
  static long dual(int operation, long a, long b) {
    double x = Double.longBitsToDouble(a);
    double y = Double.longBitsToDouble(b);
    if (operation == MIN) {
      return x < y ? a : b;
    }
    if (operation == MAX) {
      return x > y ? a : b;
    }
    if (operation == SQRT) {
      if (isNan64(b)) {
        return b | QUIET64;
      }
      return y < 0 ? DEFAULT_NAN64 : Double.doubleToRawLongBits(Math.sqrt(y));
    }
    if (isNan64(a)) {
      return a | QUIET64;
    }
    if (isNan64(b)) {
      return b | QUIET64;
    }
    double z =
        switch (operation) {
          case ADD -> x + y;
          case MUL -> x * y;
          case SUB -> x - y;
          default -> x / y;
        };
    return z != z ? DEFAULT_NAN64 : Double.doubleToRawLongBits(z);
  }

  /** CMPPS and its kind: the predicate in bits 0 to 2. */
  static boolean compare(int predicate, double x, double y) {
    boolean holds =
        switch (predicate & 3) {
          case 0 -> x == y;
          case 1 -> x < y;
          case 2 -> x <= y;
          default -> x != x || y != y;
        };
    return holds != ((predicate & 4) != 0);
  }

  static long widen(int a) {
    if (isNan32(a)) {
      return (long) (a >>> 31) << 63 | 0x7FF0000000000000L | QUIET64 | (a & 0x7FFFFFL) << 29;
    }
    return Double.doubleToRawLongBits(Float.intBitsToFloat(a));
  }

  static int narrow(long a) {
    if (isNan64(a)) {
      return (int) (a >>> 63) << 31 | 0x7F800000 | QUIET32 | (int) (a >>> 29) & 0x7FFFFF;
    }
    return Float.floatToRawIntBits((float) Double.longBitsToDouble(a));
  }

  /** A conversion to an integer; what does not fit becomes the smallest integer. */
  static long toInteger(double x, int bytes, boolean truncate, int roundingControl) {
    double r = truncate ? (x < 0 ? Math.ceil(x) : Math.floor(x)) : round(x, roundingControl);
    if (bytes == 4) {
      return r >= -0x1p31 && r < 0x1p31 ? (int) r : 0x80000000L;
    }
    return r >= -0x1p63 && r < 0x1p63 ? (long) r : Long.MIN_VALUE;
  }

  /** Rounds to an integral value under a rounding mode of MXCSR or the x87 control word. */
  static double round(double x, int roundingControl) {
    return switch (roundingControl) {
      case 0 -> Math.rint(x);
      case 1 -> Math.floor(x);
      case 2 -> Math.ceil(x);
      default -> x < 0 ? Math.ceil(x) : Math.floor(x);
    };
  }
}
