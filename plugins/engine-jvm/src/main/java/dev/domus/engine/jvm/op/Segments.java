package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.CpuState;

/**
 * Segment registers at CPL 3 in 64-bit mode (Intel SDM vol. 3, 5.4 to 5.8; AMD64 APM vol. 2, 4.8).
 *
 * <pre>
 *   63      56 55  54 53 52 51    48 47 46 45 44 43    40 39         16 15        0
 *  +----------+---+---+-+--+--------+--+-----+--+--------+-------------+-----------+
 *  | base 31:24| G|D/B|L|AV|lim19:16| P| DPL | S| type   | base 23:0   | lim 15:0  |
 *  +----------+---+---+-+--+--------+--+-----+--+--------+-------------+-----------+
 * </pre>
 *
 * <p>Accessed bits are not set: the kernel has them set in every descriptor it accepts.
 */
final class Segments {
  static final int ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5;
  private static final long PRESENT = 1L << 47, NOT_SYSTEM = 1L << 44, CODE = 1L << 43;
  private static final long CONFORMING = 1L << 42,
      WRITABLE = 1L << 41,
      LONG = 1L << 53,
      DEFAULT_BIG = 1L << 54;

  private Segments() {}

  static int selector(Cpu c, int segment) {
    CpuState s = c.state;
    return switch (segment) {
      case ES -> s.es;
      case CS -> s.cs;
      case SS -> s.ss;
      case DS -> s.ds;
      case FS -> s.fs;
      default -> s.gs;
    };
  }

  private static int dpl(long descriptor) {
    return (int) (descriptor >>> 45) & 3;
  }

  private static boolean has(long descriptor, long bits) {
    return (descriptor & bits) == bits;
  }

  private static GuestFault refuse(Cpu c, int vector, int selector) {
    return c.raise(vector, selector & 0xFFFC);
  }

  private static boolean isNull(int selector) {
    return (selector & 0xFFFC) == 0;
  }

  /**
   * Loads a data or stack segment register. A null selector leaves the base of FS and GS alone, as
   * AMD's processors do.
   */
  static void load(Cpu c, int segment, int selector) {
    if (segment == SS) {
      loadStack(c, selector);
      return;
    }
    if (!isNull(selector)) {
      long d = c.vcpu.descriptor(selector);
      boolean readable = !has(d, CODE) || has(d, WRITABLE); // for code the bit says readable
      boolean privileged = has(d, CODE | CONFORMING) || dpl(d) == 3;
      if (!has(d, NOT_SYSTEM) || !readable || !privileged) {
        throw refuse(c, GuestFault.GP, selector);
      }
      if (!has(d, PRESENT)) {
        throw refuse(c, GuestFault.NP, selector);
      }
      long base = d >>> 16 & 0xFFFFFF | d >>> 56 << 24;
      if (segment == FS) {
        c.r[Insn.FS_BASE] = base;
      } else if (segment == GS) {
        c.r[Insn.GS_BASE] = base;
      }
    }
    switch (segment) {
      case ES -> c.state.es = selector;
      case DS -> c.state.ds = selector;
      case FS -> c.state.fs = selector;
      default -> c.state.gs = selector;
    }
  }

  private static void loadStack(Cpu c, int selector) {
    checkStack(c, selector);
    c.state.ss = selector;
  }

  /** The checks of a stack segment; a null selector is #GP(0) at CPL 3. */
  static void checkStack(Cpu c, int selector) {
    if (isNull(selector)) {
      throw c.raise(GuestFault.GP);
    }
    long d = c.vcpu.descriptor(selector);
    boolean writableData = has(d, NOT_SYSTEM | WRITABLE) && !has(d, CODE);
    if ((selector & 3) != 3 || !writableData || dpl(d) != 3) {
      throw refuse(c, GuestFault.GP, selector);
    }
    if (!has(d, PRESENT)) {
      throw refuse(c, GuestFault.SS, selector);
    }
  }

  /**
   * The checks of a far transfer to a code segment of the same privilege. Segments of 32-bit code
   * are refused with #GP(selector): compatibility mode is not run.
   *
   * @param returning the transfer is a return, whose selector must have RPL 3
   */
  static void checkCode(Cpu c, int selector, boolean returning) {
    if (isNull(selector)) {
      throw c.raise(GuestFault.GP);
    }
    long d = c.vcpu.descriptor(selector);
    boolean allowed =
        has(d, NOT_SYSTEM | CODE)
            && (has(d, CONFORMING) || dpl(d) == 3)
            && (!returning || (selector & 3) == 3)
            && has(d, LONG)
            && !has(d, DEFAULT_BIG);
    if (!allowed) {
      throw refuse(c, GuestFault.GP, selector);
    }
    if (!has(d, PRESENT)) {
      throw refuse(c, GuestFault.NP, selector);
    }
  }

  /** Whether LAR, LSL, VERR and VERW may see a descriptor, which is 0 if there is none. */
  private static long visible(Cpu c, int selector, int systemTypes) {
    if (isNull(selector)) {
      return 0;
    }
    long d = c.vcpu.descriptor(selector);
    if (d == 0) {
      return 0;
    }
    if (!has(d, NOT_SYSTEM)) {
      return (systemTypes >>> (d >>> 40 & 15) & 1) != 0 && dpl(d) == 3 ? d : 0;
    }
    return has(d, CODE | CONFORMING) || dpl(d) == 3 ? d : 0;
  }

  /** LAR: the access rights, or -1. */
  static long accessRights(Cpu c, int selector) {
    long d = visible(c, selector, 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12);
    return d == 0 ? -1 : d >>> 32 & 0x00FFFF00;
  }

  /** LSL: the limit in bytes, or -1. */
  static long limit(Cpu c, int selector) {
    long d = visible(c, selector, 1 << 2 | 1 << 9 | 1 << 11);
    if (d == 0) {
      return -1;
    }
    long limit = d & 0xFFFF | d >>> 32 & 0xF0000;
    return d << 8 < 0 ? limit << 12 | 0xFFF : limit;
  }

  static boolean readable(Cpu c, int selector) {
    long d = visible(c, selector, 0);
    return d != 0 && (!has(d, CODE) || has(d, WRITABLE));
  }

  static boolean writable(Cpu c, int selector) {
    long d = visible(c, selector, 0);
    return d != 0 && !has(d, CODE) && has(d, WRITABLE);
  }
}
