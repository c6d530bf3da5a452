package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.interp.Cpu;

/**
 * Integer arithmetic and logic with their flags, for every operand size at once.
 *
 * <p>Operands are shifted up until their top bit is bit 63. Then the carry out of each position
 * (Warren, Hacker's Delight, 2-13) has CF in bit 63, and OF is the difference of bits 63 and 62
 * whatever the size. With {@code sh} a constant the compiler makes of each method what one would
 * write for that size by hand.
 */
final class Arithmetic {
  private Arithmetic() {}

  static long add(Cpu c, int sh, long a, long b) {
    long x = a << sh;
    long y = b << sh;
    long z = x + y;
    long k = x & y | (x | y) & ~z;
    c.res = z >> sh;
    c.aux = k & Cpu.CARRIES | k >>> sh & Cpu.AUX_AF;
    return z >>> sh;
  }

  static long adc(Cpu c, int sh, long a, long b) {
    long x = a << sh;
    long y = b << sh;
    long z = x + y + (c.carry() << sh);
    long k = x & y | (x | y) & ~z;
    c.res = z >> sh;
    c.aux = k & Cpu.CARRIES | k >>> sh & Cpu.AUX_AF;
    return z >>> sh;
  }

  static long sub(Cpu c, int sh, long a, long b) {
    long x = a << sh;
    long y = b << sh;
    long z = x - y;
    long k = ~x & y | (~x | y) & z;
    c.res = z >> sh;
    c.aux = k & Cpu.CARRIES | k >>> sh & Cpu.AUX_AF;
    return z >>> sh;
  }

  static long sbb(Cpu c, int sh, long a, long b) {
    long x = a << sh;
    long y = b << sh;
    long z = x - y - (c.carry() << sh);
    long k = ~x & y | (~x | y) & z;
    c.res = z >> sh;
    c.aux = k & Cpu.CARRIES | k >>> sh & Cpu.AUX_AF;
    return z >>> sh;
  }

  static long and(Cpu c, int sh, long a, long b) {
    return logic(c, sh, a & b);
  }

  static long or(Cpu c, int sh, long a, long b) {
    return logic(c, sh, a | b);
  }

  static long xor(Cpu c, int sh, long a, long b) {
    return logic(c, sh, a ^ b);
  }

  private static long logic(Cpu c, int sh, long value) {
    long z = value << sh;
    c.res = z >> sh;
    c.aux = 0;
    return z >>> sh;
  }

  /** INC; CF stays. */
  static long inc(Cpu c, int sh, long a, long ignored) {
    long cf = c.carry();
    long z = add(c, sh, a, 1);
    c.setCarry(cf);
    return z;
  }

  /** DEC; CF stays. */
  static long dec(Cpu c, int sh, long a, long ignored) {
    long cf = c.carry();
    long z = sub(c, sh, a, 1);
    c.setCarry(cf);
    return z;
  }

  static long neg(Cpu c, int sh, long a, long ignored) {
    return sub(c, sh, 0, a);
  }

  /** NOT; no flags. */
  static long not(Cpu c, int sh, long a, long ignored) {
    return ~a;
  }

  /**
   * IMUL with one destination: CF = OF = the product does not fit. SF follows the result, as
   * processors do; ZF, AF and PF are undefined and left to follow it too.
   */
  static long imul(Cpu c, int sh, long a, long b) {
    long x = a << sh >> sh;
    long y = b << sh >> sh;
    long z = x * y;
    boolean fits = sh == 0 ? Math.multiplyHigh(x, y) == z >> 63 : z << sh >> sh == z;
    setProductFlags(c, z << sh >> sh, !fits);
    return z << sh >>> sh;
  }

  static void setProductFlags(Cpu c, long low, boolean overflow) {
    c.res = low;
    c.aux = overflow ? 1L << 63 : 0;
  }
}
