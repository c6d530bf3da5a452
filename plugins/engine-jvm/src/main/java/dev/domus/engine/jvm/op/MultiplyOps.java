package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.CpuState;

/** Multiplication and division through RDX:RAX (AX for bytes). */
final class MultiplyOps {
  private static final int RAX = CpuState.RAX, RDX = CpuState.RDX;

  private MultiplyOps() {}

  private static void setPair(Cpu c, int size, long low, long high) {
    if (size == 1) {
      Registers.set(c.r, RAX, 2, low & 0xFF | high << 8);
    } else {
      Registers.set(c.r, RAX, size, low);
      Registers.set(c.r, RDX, size, high);
    }
  }

  /** MUL and IMUL of group 3. */
  static final class Widening extends Op {
    private final Place by;
    private final boolean signed;

    Widening(Insn insn, Place by) {
      super(insn);
      this.by = by;
      this.signed = insn.digit() == 5;
    }

    @Override
    public void execute(Cpu c) {
      int size = by.size();
      long b = by.load(c);
      long a = Registers.get(c.r, RAX, size);
      long low;
      long high;
      boolean overflow;
      if (size == 8) {
        low = a * b;
        high = signed ? Math.multiplyHigh(a, b) : Math.unsignedMultiplyHigh(a, b);
        overflow = high != (signed ? low >> 63 : 0);
      } else {
        int bits = 8 * size;
        int sh = 64 - bits;
        long product = signed ? (a << sh >> sh) * (b << sh >> sh) : a * b;
        low = product & -1L >>> sh;
        high = product >> bits & -1L >>> sh;
        overflow = signed ? product << sh >> sh != product : high != 0;
      }
      setPair(c, size, low, high);
      Arithmetic.setProductFlags(c, low << 64 - 8 * size >> 64 - 8 * size, overflow);
    }
  }

  /** IMUL r, r/m and IMUL r, r/m, imm. */
  static final class Truncating extends Op {
    private final Place to;
    private final Place a;
    private final Place b;
    private final int sh;

    Truncating(Insn insn, Place to, Place a, Place b) {
      super(insn);
      this.to = to;
      this.a = a;
      this.b = b;
      this.sh = 64 - 8 * to.size();
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, Arithmetic.imul(c, sh, a.load(c), b.load(c)));
    }
  }

  /** IMUL r64, r64. */
  static final class Truncating64 extends Op {
    private final int to;
    private final int from;

    Truncating64(Insn insn) {
      super(insn);
      to = insn.reg;
      from = insn.rm;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.imul(c, 0, r[to], r[from]);
    }
  }

  /** DIV: a quotient that does not fit is #DE, like a zero divisor. */
  static final class Divide extends Op {
    private final Place by;

    Divide(Insn insn, Place by) {
      super(insn);
      this.by = by;
    }

    @Override
    public void execute(Cpu c) {
      int size = by.size();
      long d = by.load(c);
      if (d == 0) {
        throw c.raise(GuestFault.DE);
      }
      if (size == 8) {
        long high = c.r[RDX];
        long low = c.r[RAX];
        if (Long.compareUnsigned(high, d) >= 0) {
          throw c.raise(GuestFault.DE);
        }
        divide128(c, high, low, d);
        return;
      }
      long n =
          size == 1
              ? c.r[RAX] & 0xFFFF
              : Registers.get(c.r, RDX, size) << 8 * size | Registers.get(c.r, RAX, size);
      long q = Long.divideUnsigned(n, d);
      if (Long.compareUnsigned(q, -1L >>> 64 - 8 * size) > 0) {
        throw c.raise(GuestFault.DE);
      }
      setPair(c, size, q, Long.remainderUnsigned(n, d));
    }

    private static void divide128(Cpu c, long high, long low, long d) {
      if (high == 0) {
        c.r[RAX] = Long.divideUnsigned(low, d);
        c.r[RDX] = Long.remainderUnsigned(low, d);
        return;
      }
      long remainder = high;
      long quotient = low;
      for (int n = 0; n < 64; n++) { // restoring division: rare enough not to be clever
        boolean carry = remainder < 0;
        remainder = remainder << 1 | quotient >>> 63;
        quotient <<= 1;
        if (carry || Long.compareUnsigned(remainder, d) >= 0) {
          remainder -= d;
          quotient |= 1;
        }
      }
      c.r[RAX] = quotient;
      c.r[RDX] = remainder;
    }
  }

  /** IDIV. */
  static final class DivideSigned extends Op {
    private final Place by;

    DivideSigned(Insn insn, Place by) {
      super(insn);
      this.by = by;
    }

    @Override
    public void execute(Cpu c) {
      int size = by.size();
      int sh = 64 - 8 * size;
      long d = by.load(c) << sh >> sh;
      if (d == 0) {
        throw c.raise(GuestFault.DE);
      }
      if (size == 8) {
        divide128(c, d);
        return;
      }
      long n =
          size == 1
              ? (short) c.r[RAX]
              : Registers.get(c.r, RDX, size) << sh >> sh << 8 * size
                  | Registers.get(c.r, RAX, size);
      if (n == Long.MIN_VALUE && d == -1) {
        throw c.raise(GuestFault.DE);
      }
      long q = n / d;
      if (q << sh >> sh != q) {
        throw c.raise(GuestFault.DE);
      }
      setPair(c, size, q, n % d);
    }

    private static void divide128(Cpu c, long d) {
      long high = c.r[RDX];
      long low = c.r[RAX];
      if (high == low >> 63 && !(low == Long.MIN_VALUE && d == -1)) {
        c.r[RAX] = low / d;
        c.r[RDX] = low % d;
        return;
      }
      boolean negative = high < 0;
      if (negative) {
        low = -low;
        high = ~high + (low == 0 ? 1 : 0);
      }
      long magnitude = d < 0 ? -d : d;
      if (Long.compareUnsigned(high, magnitude) >= 0) {
        throw c.raise(GuestFault.DE);
      }
      long rax = c.r[RAX];
      long rdx = c.r[RDX];
      Divide.divide128(c, high, low, magnitude);
      long q = c.r[RAX];
      boolean negate = negative != d < 0;
      boolean fits = q >= 0 || negate && q == Long.MIN_VALUE;
      if (!fits) {
        c.r[RAX] = rax;
        c.r[RDX] = rdx;
        throw c.raise(GuestFault.DE);
      }
      c.r[RAX] = negate ? -q : q;
      if (negative) {
        c.r[RDX] = -c.r[RDX];
      }
    }
  }
}
