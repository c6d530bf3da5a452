package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;

/**
 * Instructions of 32 and 64 bits on registers and immediates that make up most of what runs: a
 * class for each operation and form, so that the operand size is a constant and nothing is left to
 * decide at run time. Semantics are those of {@link Arithmetic}.
 */
final class FastAlu {
  private FastAlu() {}

  /** Register, register. */
  abstract static class RegReg extends Op {
    final int to;
    final int from;

    RegReg(Insn insn, int to, int from) {
      super(insn);
      this.to = to;
      this.from = from;
    }
  }

  /** Register, immediate. */
  abstract static class RegImm extends Op {
    final int to;
    final long imm;

    RegImm(Insn insn, int to) {
      super(insn);
      this.to = to;
      this.imm = insn.imm;
    }
  }

  static final class AddRR32 extends RegReg {
    AddRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.add(c, 32, r[to], r[from]);
    }
  }

  static final class AddRI32 extends RegImm {
    AddRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.add(c, 32, r[to], imm);
    }
  }

  static final class AddRR64 extends RegReg {
    AddRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.add(c, 0, r[to], r[from]);
    }
  }

  static final class AddRI64 extends RegImm {
    AddRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.add(c, 0, r[to], imm);
    }
  }

  static final class OrRR32 extends RegReg {
    OrRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.or(c, 32, r[to], r[from]);
    }
  }

  static final class OrRI32 extends RegImm {
    OrRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.or(c, 32, r[to], imm);
    }
  }

  static final class OrRR64 extends RegReg {
    OrRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.or(c, 0, r[to], r[from]);
    }
  }

  static final class OrRI64 extends RegImm {
    OrRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.or(c, 0, r[to], imm);
    }
  }

  static final class AdcRR32 extends RegReg {
    AdcRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.adc(c, 32, r[to], r[from]);
    }
  }

  static final class AdcRI32 extends RegImm {
    AdcRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.adc(c, 32, r[to], imm);
    }
  }

  static final class AdcRR64 extends RegReg {
    AdcRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.adc(c, 0, r[to], r[from]);
    }
  }

  static final class AdcRI64 extends RegImm {
    AdcRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.adc(c, 0, r[to], imm);
    }
  }

  static final class SbbRR32 extends RegReg {
    SbbRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sbb(c, 32, r[to], r[from]);
    }
  }

  static final class SbbRI32 extends RegImm {
    SbbRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sbb(c, 32, r[to], imm);
    }
  }

  static final class SbbRR64 extends RegReg {
    SbbRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sbb(c, 0, r[to], r[from]);
    }
  }

  static final class SbbRI64 extends RegImm {
    SbbRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sbb(c, 0, r[to], imm);
    }
  }

  static final class AndRR32 extends RegReg {
    AndRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.and(c, 32, r[to], r[from]);
    }
  }

  static final class AndRI32 extends RegImm {
    AndRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.and(c, 32, r[to], imm);
    }
  }

  static final class AndRR64 extends RegReg {
    AndRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.and(c, 0, r[to], r[from]);
    }
  }

  static final class AndRI64 extends RegImm {
    AndRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.and(c, 0, r[to], imm);
    }
  }

  static final class SubRR32 extends RegReg {
    SubRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sub(c, 32, r[to], r[from]);
    }
  }

  static final class SubRI32 extends RegImm {
    SubRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sub(c, 32, r[to], imm);
    }
  }

  static final class SubRR64 extends RegReg {
    SubRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sub(c, 0, r[to], r[from]);
    }
  }

  static final class SubRI64 extends RegImm {
    SubRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.sub(c, 0, r[to], imm);
    }
  }

  static final class XorRR32 extends RegReg {
    XorRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.xor(c, 32, r[to], r[from]);
    }
  }

  static final class XorRI32 extends RegImm {
    XorRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.xor(c, 32, r[to], imm);
    }
  }

  static final class XorRR64 extends RegReg {
    XorRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.xor(c, 0, r[to], r[from]);
    }
  }

  static final class XorRI64 extends RegImm {
    XorRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.xor(c, 0, r[to], imm);
    }
  }

  static final class CmpRR32 extends RegReg {
    CmpRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.sub(c, 32, r[to], r[from]);
    }
  }

  static final class CmpRI32 extends RegImm {
    CmpRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.sub(c, 32, r[to], imm);
    }
  }

  static final class CmpRR64 extends RegReg {
    CmpRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.sub(c, 0, r[to], r[from]);
    }
  }

  static final class CmpRI64 extends RegImm {
    CmpRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.sub(c, 0, r[to], imm);
    }
  }

  static final class TestRR8 extends RegReg {
    TestRR8(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.and(c, 56, r[to], r[from]);
    }
  }

  static final class TestRI8 extends RegImm {
    TestRI8(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.and(c, 56, c.r[to], imm);
    }
  }

  static final class TestRR32 extends RegReg {
    TestRR32(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.and(c, 32, r[to], r[from]);
    }
  }

  static final class TestRI32 extends RegImm {
    TestRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.and(c, 32, c.r[to], imm);
    }
  }

  static final class TestRR64 extends RegReg {
    TestRR64(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.and(c, 0, r[to], r[from]);
    }
  }

  static final class TestRI64 extends RegImm {
    TestRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.and(c, 0, c.r[to], imm);
    }
  }

  static final class CmpRI8 extends RegImm {
    CmpRI8(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.sub(c, 56, c.r[to], imm);
    }
  }

  static final class CmpRR8 extends RegReg {
    CmpRR8(Insn insn, int to, int from) {
      super(insn, to, from);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.sub(c, 56, r[to], r[from]);
    }
  }

  static final class IncR32 extends RegImm {
    IncR32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.inc(c, 32, r[to], 0);
    }
  }

  static final class IncR64 extends RegImm {
    IncR64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.inc(c, 0, r[to], 0);
    }
  }

  static final class DecR32 extends RegImm {
    DecR32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.dec(c, 32, r[to], 0);
    }
  }

  static final class DecR64 extends RegImm {
    DecR64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.dec(c, 0, r[to], 0);
    }
  }

  static final class NegR32 extends RegImm {
    NegR32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.neg(c, 32, r[to], 0);
    }
  }

  static final class NegR64 extends RegImm {
    NegR64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.neg(c, 0, r[to], 0);
    }
  }

  static final class NotR32 extends RegImm {
    NotR32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.not(c, 32, r[to], 0) & 0xFFFFFFFFL;
    }
  }

  static final class NotR64 extends RegImm {
    NotR64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Arithmetic.not(c, 0, r[to], 0);
    }
  }

  static final class ShlRI32 extends RegImm {
    ShlRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Shifts.shl(c, 32, r[to], imm) & 0xFFFFFFFFL;
    }
  }

  static final class ShlRI64 extends RegImm {
    ShlRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Shifts.shl(c, 0, r[to], imm);
    }
  }

  static final class ShrRI32 extends RegImm {
    ShrRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Shifts.shr(c, 32, r[to], imm) & 0xFFFFFFFFL;
    }
  }

  static final class ShrRI64 extends RegImm {
    ShrRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Shifts.shr(c, 0, r[to], imm);
    }
  }

  static final class SarRI32 extends RegImm {
    SarRI32(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Shifts.sar(c, 32, r[to], imm) & 0xFFFFFFFFL;
    }
  }

  static final class SarRI64 extends RegImm {
    SarRI64(Insn insn, int to) {
      super(insn, to);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = Shifts.sar(c, 0, r[to], imm);
    }
  }

  /** Operation 0 to 7 of group 1 for 32 or 64 bits. */
  static Op registerRegister(Insn insn, int operation, int size, int to, int from) {
    return switch (operation << 1 | size >> 3) {
      case 0 -> new AddRR32(insn, to, from);
      case 1 -> new AddRR64(insn, to, from);
      case 2 -> new OrRR32(insn, to, from);
      case 3 -> new OrRR64(insn, to, from);
      case 4 -> new AdcRR32(insn, to, from);
      case 5 -> new AdcRR64(insn, to, from);
      case 6 -> new SbbRR32(insn, to, from);
      case 7 -> new SbbRR64(insn, to, from);
      case 8 -> new AndRR32(insn, to, from);
      case 9 -> new AndRR64(insn, to, from);
      case 10 -> new SubRR32(insn, to, from);
      case 11 -> new SubRR64(insn, to, from);
      case 12 -> new XorRR32(insn, to, from);
      case 13 -> new XorRR64(insn, to, from);
      case 14 -> new CmpRR32(insn, to, from);
      default -> new CmpRR64(insn, to, from);
    };
  }

  /** Operation 0 to 7 of group 1 for 32 or 64 bits. */
  static Op registerImmediate(Insn insn, int operation, int size, int to) {
    return switch (operation << 1 | size >> 3) {
      case 0 -> new AddRI32(insn, to);
      case 1 -> new AddRI64(insn, to);
      case 2 -> new OrRI32(insn, to);
      case 3 -> new OrRI64(insn, to);
      case 4 -> new AdcRI32(insn, to);
      case 5 -> new AdcRI64(insn, to);
      case 6 -> new SbbRI32(insn, to);
      case 7 -> new SbbRI64(insn, to);
      case 8 -> new AndRI32(insn, to);
      case 9 -> new AndRI64(insn, to);
      case 10 -> new SubRI32(insn, to);
      case 11 -> new SubRI64(insn, to);
      case 12 -> new XorRI32(insn, to);
      case 13 -> new XorRI64(insn, to);
      case 14 -> new CmpRI32(insn, to);
      default -> new CmpRI64(insn, to);
    };
  }
}
