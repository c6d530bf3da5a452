package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.kernel.engine.CpuState;

/** BMI1 and BMI2: the VEX-encoded instructions on general registers (Intel SDM vol. 1, 5.1.16). */
final class BmiOps {
  private BmiOps() {}

  /** The operation for a VEX encoding, or null if it is none of these. */
  static Op lower(Insn insn) {
    int size = insn.wide() ? 8 : 4;
    insn.size = size;
    if (insn.undefined || insn.vexL != 0) {
      return null;
    }
    Place reg = Place.reg(insn, size);
    Place rm = Place.rm(insn, size);
    Place vvvv = Place.register(insn.vvvv, size);
    int key = insn.opcode << 4 | insn.vexPp;
    return switch (key) {
      case 0x2F20 -> new Three(insn, BmiOps::andn, reg, vvvv, rm);
      case 0x2F30 ->
          switch (insn.digit()) {
            case 1 -> new Three(insn, BmiOps::blsr, vvvv, rm, rm);
            case 2 -> new Three(insn, BmiOps::blsmsk, vvvv, rm, rm);
            case 3 -> new Three(insn, BmiOps::blsi, vvvv, rm, rm);
            default -> null;
          };
      case 0x2F50 -> new Three(insn, BmiOps::bzhi, reg, rm, vvvv);
      case 0x2F52 -> new Three(insn, BmiOps::pext, reg, vvvv, rm);
      case 0x2F53 -> new Three(insn, BmiOps::pdep, reg, vvvv, rm);
      case 0x2F63 -> new Mulx(insn, reg, vvvv, rm);
      case 0x2F70 -> new Three(insn, BmiOps::bextr, reg, rm, vvvv);
      case 0x2F71 -> new Three(insn, BmiOps::shlx, reg, rm, vvvv);
      case 0x2F72 -> new Three(insn, BmiOps::sarx, reg, rm, vvvv);
      case 0x2F73 -> new Three(insn, BmiOps::shrx, reg, rm, vvvv);
      case 0x3F03 -> new Three(insn, BmiOps::rorx, reg, rm, Place.immediate(insn.imm, size));
      default -> null;
    };
  }

  /** Destination and two sources. */
  static final class Three extends Op {
    private final Binary operation;
    private final Place to;
    private final Place a;
    private final Place b;
    private final int sh;

    Three(Insn insn, Binary operation, Place to, Place a, Place b) {
      super(insn);
      this.operation = operation;
      this.to = to;
      this.a = a;
      this.b = b;
      this.sh = 64 - 8 * to.size();
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, operation.apply(c, sh, a.load(c), b.load(c)));
    }
  }

  /**
   * MULX: no flags; the low half is written first, so that with one destination the high half
   * stays.
   */
  static final class Mulx extends Op {
    private final Place high;
    private final Place low;
    private final Place by;

    Mulx(Insn insn, Place high, Place low, Place by) {
      super(insn);
      this.high = high;
      this.low = low;
      this.by = by;
    }

    @Override
    public void execute(Cpu c) {
      int size = by.size();
      long a = Registers.get(c.r, CpuState.RDX, size);
      long b = by.load(c);
      low.store(c, a * b);
      high.store(c, size == 8 ? Math.unsignedMultiplyHigh(a, b) : a * b >>> 32);
    }
  }

  private static long flags(Cpu c, int sh, long z, long cf) {
    c.res = z << sh >> sh;
    c.aux = cf << 63 | cf << 62;
    return z;
  }

  private static long andn(Cpu c, int sh, long a, long b) {
    return flags(c, sh, ~a & b, 0);
  }

  private static long blsr(Cpu c, int sh, long a, long b) {
    return flags(c, sh, a - 1 & a, a == 0 ? 1 : 0);
  }

  private static long blsmsk(Cpu c, int sh, long a, long b) {
    return flags(c, sh, a - 1 ^ a, a == 0 ? 1 : 0);
  }

  private static long blsi(Cpu c, int sh, long a, long b) {
    return flags(c, sh, -a & a, a == 0 ? 0 : 1);
  }

  private static long bzhi(Cpu c, int sh, long a, long b) {
    int n = (int) b & 0xFF;
    int bits = 64 - sh;
    return flags(c, sh, n >= bits ? a : a & ~(-1L << n), n >= bits ? 1 : 0);
  }

  private static long bextr(Cpu c, int sh, long a, long b) {
    int start = (int) b & 0xFF;
    int length = (int) b >> 8 & 0xFF;
    long z = start >= 64 ? 0 : a >>> start;
    return flags(c, sh, length >= 64 ? z : z & ~(-1L << length), 0);
  }

  private static long pext(Cpu c, int sh, long a, long mask) {
    return Long.compress(a, mask);
  }

  private static long pdep(Cpu c, int sh, long a, long mask) {
    return Long.expand(a, mask);
  }

  private static int count(int sh, long b) {
    return (int) b & 63 - sh;
  }

  private static long shlx(Cpu c, int sh, long a, long b) {
    return a << count(sh, b);
  }

  private static long shrx(Cpu c, int sh, long a, long b) {
    return a >>> count(sh, b);
  }

  private static long sarx(Cpu c, int sh, long a, long b) {
    return a << sh >> sh >> count(sh, b);
  }

  private static long rorx(Cpu c, int sh, long a, long b) {
    int n = count(sh, b);
    return sh == 0 ? Long.rotateRight(a, n) : Integer.rotateRight((int) a, n);
  }
}
