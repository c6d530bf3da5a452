package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.interp.Cpu;

/**
 * Shifts and rotates (Intel SDM vol. 2, SAL/SAR/SHL/SHR and RCL/RCR/ROL/ROR). The count is taken
 * modulo 32, or 64 for quadwords; a count of zero changes no flag. OF for counts other than one and
 * AF are undefined; they are given the values that the formula for a count of one yields.
 */
final class Shifts {
  /** In the order of the /digit of group 2. */
  static final Binary[] GROUP = {
    Shifts::rol,
    Shifts::ror,
    Shifts::rcl,
    Shifts::rcr,
    Shifts::shl,
    Shifts::shr,
    Shifts::shl,
    Shifts::sar
  };

  private Shifts() {}

  private static int count(int sh, long b) {
    return (int) b & (sh == 0 ? 63 : 31);
  }

  static long shl(Cpu c, int sh, long a, long b) {
    int n = count(sh, b);
    if (n == 0) {
      return a;
    }
    long x = a << sh;
    long z = x << n;
    long cf = x << n - 1 >>> 63; // bytes and words: the count may exceed the size, then it is zero
    shifted(c, z >> sh, cf, cf ^ z >>> 63);
    return z >>> sh;
  }

  static long shr(Cpu c, int sh, long a, long b) {
    int n = count(sh, b);
    if (n == 0) {
      return a;
    }
    long x = a << sh >>> sh;
    long z = x >>> n;
    shifted(c, z << sh >> sh, x >>> n - 1 & 1, x >>> 63 - sh);
    return z;
  }

  static long sar(Cpu c, int sh, long a, long b) {
    int n = count(sh, b);
    if (n == 0) {
      return a;
    }
    long x = a << sh >> sh;
    long z = x >> n;
    shifted(c, z, x >> n - 1 & 1, 0);
    return z;
  }

  private static void shifted(Cpu c, long res, long cf, long of) {
    c.res = res;
    c.aux = cf << 63 | (cf ^ of) << 62;
  }

  static long rol(Cpu c, int sh, long a, long b) {
    int n = count(sh, b);
    if (n == 0) {
      return a;
    }
    int bits = 64 - sh;
    int m = n & bits - 1;
    long x = a << sh >>> sh;
    long z = (m == 0 ? x : x << m | x >>> bits - m) << sh >>> sh;
    long cf = z & 1;
    rotated(c, cf, cf ^ z >>> bits - 1);
    return z;
  }

  static long ror(Cpu c, int sh, long a, long b) {
    int n = count(sh, b);
    if (n == 0) {
      return a;
    }
    int bits = 64 - sh;
    int m = n & bits - 1;
    long x = a << sh >>> sh;
    long z = (m == 0 ? x : x >>> m | x << bits - m) << sh >>> sh;
    long cf = z >>> bits - 1;
    rotated(c, cf, cf ^ z >>> bits - 2 & 1);
    return z;
  }

  static long rcl(Cpu c, int sh, long a, long b) {
    int bits = 64 - sh;
    int n = count(sh, b) % (bits + 1);
    if (n == 0) {
      return a;
    }
    long x = a << sh >>> sh;
    long cf = c.carry();
    long z = (n == 64 ? 0 : x << n) | cf << n - 1 | (n == 1 ? 0 : x >>> bits + 1 - n);
    z = z << sh >>> sh;
    cf = x >>> bits - n & 1;
    rotated(c, cf, cf ^ z >>> bits - 1);
    return z;
  }

  static long rcr(Cpu c, int sh, long a, long b) {
    int bits = 64 - sh;
    int n = count(sh, b) % (bits + 1);
    if (n == 0) {
      return a;
    }
    long x = a << sh >>> sh;
    long cf = c.carry();
    long z = (n == 64 ? 0 : x >>> n) | cf << bits - n | (n == 1 ? 0 : x << bits + 1 - n);
    z = z << sh >>> sh;
    cf = x >>> n - 1 & 1;
    rotated(c, cf, (z >>> bits - 1 ^ z >>> bits - 2) & 1);
    return z;
  }

  /** Rotates set CF and OF only. */
  private static void rotated(Cpu c, long cf, long of) {
    c.aux = c.aux & ~Cpu.CARRIES | cf << 63 | (cf ^ of & 1) << 62;
  }

  /** SHLD: {@code a} shifted left, filled from the top of {@code b}. */
  static long shld(Cpu c, int sh, long a, long b, long by) {
    int n = count(sh, by);
    if (n == 0) {
      return a;
    }
    int bits = 64 - sh;
    long x = a << sh >>> sh;
    long y = b << sh >>> sh;
    long z;
    long cf;
    if (n <= bits) {
      z = (n == 64 ? 0 : x << n) | y >>> bits - n;
      cf = x >>> bits - n & 1;
    } else { // words only; undefined, and AMD's processors shift the triple a:b:b
      z = y << n - bits | y >>> 2 * bits - n;
      cf = y >>> 2 * bits - n & 1;
    }
    z = z << sh >> sh;
    shifted(c, z, cf, (x >>> bits - 1 ^ z >>> bits - 1) & 1);
    return z;
  }

  /** SHRD: {@code a} shifted right, filled from the bottom of {@code b}. */
  static long shrd(Cpu c, int sh, long a, long b, long by) {
    int n = count(sh, by);
    if (n == 0) {
      return a;
    }
    int bits = 64 - sh;
    long x = a << sh >>> sh;
    long y = b << sh >>> sh;
    long z;
    long cf;
    if (n <= bits) {
      z = (n == 64 ? 0 : x >>> n) | (n == bits && bits == 64 ? y : y << bits - n);
      cf = x >>> n - 1 & 1;
    } else {
      z = y >>> n - bits | y << 2 * bits - n;
      cf = y >>> n - bits - 1 & 1;
    }
    z = z << sh >> sh;
    shifted(c, z, cf, (x >>> bits - 1 ^ z >>> bits - 1) & 1);
    return z;
  }
}
