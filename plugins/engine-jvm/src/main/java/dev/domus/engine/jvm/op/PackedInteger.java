package dev.domus.engine.jvm.op;

/**
 * Packed integer arithmetic on 64 bits at a time, lane by lane: half of an XMM register, or an MMX
 * register (Intel SDM vol. 1, 9.4 and 11.6). What can be done on all lanes at once without carries
 * crossing over is done that way (Warren, Hacker's Delight, 2-18); the rest loops over the lanes.
 */
final class PackedInteger {
  private static final long TOP8 = 0x8080808080808080L;
  private static final long TOP16 = 0x8000800080008000L;
  private static final long TOP32 = 0x8000000080000000L;

  private PackedInteger() {}

  /** An operation on two lanes, sign-extended. */
  @FunctionalInterface
  interface Lane {
    long apply(long a, long b);
  }

  /** An operation on two halves. */
  @FunctionalInterface
  interface Half {
    long apply(long a, long b);
  }

  /** Applies an operation to every lane of {@code bits} bits. */
  static long lanes(int bits, long a, long b, Lane lane) {
    int sh = 64 - bits;
    long z = 0;
    for (int at = 0; at < 64; at += bits) {
      long x = a << sh - at >> sh;
      long y = b << sh - at >> sh;
      z |= lane.apply(x, y) << sh >>> sh << at;
    }
    return z;
  }

  private static long add(long a, long b, long top) {
    return (a & ~top) + (b & ~top) ^ (a ^ b) & top;
  }

  private static long sub(long a, long b, long top) {
    return (a | top) - (b & ~top) ^ (a ^ ~b) & top;
  }

  static long addBytes(long a, long b) {
    return add(a, b, TOP8);
  }

  static long addWords(long a, long b) {
    return add(a, b, TOP16);
  }

  static long addDwords(long a, long b) {
    return add(a, b, TOP32);
  }

  static long subBytes(long a, long b) {
    return sub(a, b, TOP8);
  }

  static long subWords(long a, long b) {
    return sub(a, b, TOP16);
  }

  static long subDwords(long a, long b) {
    return sub(a, b, TOP32);
  }

  /** All ones in every lane in which {@code a} and {@code b} are equal. */
  private static long equal(long a, long b, long top, int bits) {
    long x = a ^ b;
    long zero = ~((x & ~top) + ~top | x | ~top); // the top bit of each lane that is zero
    return (zero << 1) - (zero >>> bits - 1); // the borrow fills the lane; lanes do not meet
  }

  static long equalBytes(long a, long b) {
    return equal(a, b, TOP8, 8);
  }

  static long equalWords(long a, long b) {
    return equal(a, b, TOP16, 16);
  }

  static long equalDwords(long a, long b) {
    return equal(a, b, TOP32, 32);
  }

  static long greaterBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> x > y ? -1 : 0);
  }

  static long greaterWords(long a, long b) {
    return lanes(16, a, b, (x, y) -> x > y ? -1 : 0);
  }

  static long greaterDwords(long a, long b) {
    return lanes(32, a, b, (x, y) -> x > y ? -1 : 0);
  }

  static long minUnsignedBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> Math.min(x & 0xFF, y & 0xFF));
  }

  static long maxUnsignedBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> Math.max(x & 0xFF, y & 0xFF));
  }

  static long minWords(long a, long b) {
    return lanes(16, a, b, Math::min);
  }

  static long maxWords(long a, long b) {
    return lanes(16, a, b, Math::max);
  }

  static long averageBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> (x & 0xFF) + (y & 0xFF) + 1 >> 1);
  }

  static long averageWords(long a, long b) {
    return lanes(16, a, b, (x, y) -> (x & 0xFFFF) + (y & 0xFFFF) + 1 >> 1);
  }

  static long addSaturatedBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> Math.clamp(x + y, -128, 127));
  }

  static long addSaturatedWords(long a, long b) {
    return lanes(16, a, b, (x, y) -> Math.clamp(x + y, -32768, 32767));
  }

  static long subSaturatedBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> Math.clamp(x - y, -128, 127));
  }

  static long subSaturatedWords(long a, long b) {
    return lanes(16, a, b, (x, y) -> Math.clamp(x - y, -32768, 32767));
  }

  static long addUnsignedBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> Math.min((x & 0xFF) + (y & 0xFF), 255));
  }

  static long addUnsignedWords(long a, long b) {
    return lanes(16, a, b, (x, y) -> Math.min((x & 0xFFFF) + (y & 0xFFFF), 65535));
  }

  static long subUnsignedBytes(long a, long b) {
    return lanes(8, a, b, (x, y) -> Math.max((x & 0xFF) - (y & 0xFF), 0));
  }

  static long subUnsignedWords(long a, long b) {
    return lanes(16, a, b, (x, y) -> Math.max((x & 0xFFFF) - (y & 0xFFFF), 0));
  }

  static long multiplyLow(long a, long b) {
    return lanes(16, a, b, (x, y) -> x * y);
  }

  static long multiplyHigh(long a, long b) {
    return lanes(16, a, b, (x, y) -> x * y >> 16);
  }

  static long multiplyHighUnsigned(long a, long b) {
    return lanes(16, a, b, (x, y) -> (x & 0xFFFF) * (y & 0xFFFF) >>> 16);
  }

  static long multiplyDwords(long a, long b) {
    return (a & 0xFFFFFFFFL) * (b & 0xFFFFFFFFL);
  }

  /** PMADDWD: sums of adjacent products. */
  static long multiplyAdd(long a, long b) {
    return lanes(32, a, b, (x, y) -> (short) x * (short) y + (x >> 16) * (y >> 16));
  }

  /** PSADBW: the sum of the absolute differences of eight bytes. */
  static long sumOfDifferences(long a, long b) {
    long sum = 0;
    for (int at = 0; at < 64; at += 8) {
      sum += Math.abs((a >>> at & 0xFF) - (b >>> at & 0xFF));
    }
    return sum;
  }

  static long and(long a, long b) {
    return a & b;
  }

  static long andNot(long a, long b) {
    return ~a & b;
  }

  static long or(long a, long b) {
    return a | b;
  }

  static long xor(long a, long b) {
    return a ^ b;
  }

  static long addQword(long a, long b) {
    return a + b;
  }

  static long subQword(long a, long b) {
    return a - b;
  }

  // ---- shifts: the count is one number for all lanes ----

  static long shiftLeft(int bits, long a, long count) {
    if (Long.compareUnsigned(count, bits) >= 0) {
      return 0;
    }
    return bits == 64 ? a << count : lanes(bits, a, 0, (x, y) -> x << count);
  }

  static long shiftRight(int bits, long a, long count) {
    if (Long.compareUnsigned(count, bits) >= 0) {
      return 0;
    }
    long mask = -1L >>> 64 - bits;
    return bits == 64 ? a >>> count : lanes(bits, a, 0, (x, y) -> (x & mask) >>> count);
  }

  static long shiftRightSigned(int bits, long a, long count) {
    long n = Long.compareUnsigned(count, bits) >= 0 ? bits - 1 : count;
    return lanes(bits, a, 0, (x, y) -> x >> n);
  }

  // ---- rearrangement ----

  /** Lanes of {@code bits} bits of the low halves of a and b in turn: PUNPCKL of 64 bits. */
  static long unpackLow(int bits, long a, long b) {
    long mask = -1L >>> 64 - bits;
    long z = 0;
    for (int at = 0; at < 32; at += bits) {
      z |= (a >>> at & mask | (b >>> at & mask) << bits) << 2 * at;
    }
    return z;
  }

  /** The same of the high halves. */
  static long unpackHigh(int bits, long a, long b) {
    return unpackLow(bits, a >>> 32, b >>> 32);
  }

  /** Packs the four words or two dwords of 64 bits into 32 bits with saturation. */
  static long pack(int bits, boolean unsigned, long a) {
    int half = bits / 2;
    long min = unsigned ? 0 : -1L << half - 1;
    long max = unsigned ? (1L << half) - 1 : (1L << half - 1) - 1;
    long z = 0;
    for (int n = 0; n < 64 / bits; n++) {
      long x = a << 64 - bits - n * bits >> 64 - bits;
      z |= (Math.clamp(x, min, max) & -1L >>> 64 - half) << n * half;
    }
    return z;
  }

  /** Four words chosen by the bit pairs of an immediate. */
  static long shuffleWords(long a, int order) {
    long z = 0;
    for (int n = 0; n < 4; n++) {
      z |= (a >>> 16 * (order >> 2 * n & 3) & 0xFFFF) << 16 * n;
    }
    return z;
  }

  /** The top bits of eight bytes. */
  static int moveMask(long a) {
    return (int) ((a >>> 7 & 0x0101010101010101L) * 0x0102040810204080L >>> 56);
  }
}
