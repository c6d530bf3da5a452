package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;

/**
 * The other half of {@link FastAlu}: 32- and 64-bit instructions with a register and a source in
 * memory, and comparisons with memory, of bytes too.
 */
final class FastAluMemory {
  private FastAluMemory() {}

  /** Register, memory; or memory, register for CMP. */
  abstract static class RegMem extends Op {
    final int reg;
    final Address address;

    RegMem(Insn insn) {
      super(insn);
      this.reg = insn.reg;
      this.address = new Address(insn);
    }
  }

  /** Memory, immediate for CMP and TEST. */
  abstract static class MemImm extends Op {
    final long imm;
    final Address address;

    MemImm(Insn insn) {
      super(insn);
      this.imm = insn.imm;
      this.address = new Address(insn);
    }
  }

  static final class AddRM32 extends RegMem {
    AddRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.add(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class AddRM64 extends RegMem {
    AddRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.add(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class OrRM32 extends RegMem {
    OrRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.or(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class OrRM64 extends RegMem {
    OrRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.or(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class AdcRM32 extends RegMem {
    AdcRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.adc(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class AdcRM64 extends RegMem {
    AdcRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.adc(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class SbbRM32 extends RegMem {
    SbbRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.sbb(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class SbbRM64 extends RegMem {
    SbbRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.sbb(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class AndRM32 extends RegMem {
    AndRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.and(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class AndRM64 extends RegMem {
    AndRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.and(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class SubRM32 extends RegMem {
    SubRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.sub(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class SubRM64 extends RegMem {
    SubRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.sub(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class XorRM32 extends RegMem {
    XorRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.xor(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class XorRM64 extends RegMem {
    XorRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[reg] = Arithmetic.xor(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class CmpRM32 extends RegMem {
    CmpRM32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.sub(c, 32, r[reg], c.mem.loadDword(address.of(c)));
    }
  }

  static final class CmpRM64 extends RegMem {
    CmpRM64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      Arithmetic.sub(c, 0, r[reg], c.mem.loadQword(address.of(c)));
    }
  }

  static final class CmpMI8 extends MemImm {
    CmpMI8(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.sub(c, 56, c.mem.loadByte(address.of(c)), imm);
    }
  }

  static final class TestMI8 extends MemImm {
    TestMI8(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.and(c, 56, c.mem.loadByte(address.of(c)), imm);
    }
  }

  static final class CmpMI32 extends MemImm {
    CmpMI32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.sub(c, 32, c.mem.loadDword(address.of(c)), imm);
    }
  }

  static final class TestMI32 extends MemImm {
    TestMI32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.and(c, 32, c.mem.loadDword(address.of(c)), imm);
    }
  }

  static final class CmpMR32 extends RegMem {
    CmpMR32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.sub(c, 32, c.mem.loadDword(address.of(c)), c.r[reg]);
    }
  }

  static final class CmpMI64 extends MemImm {
    CmpMI64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.sub(c, 0, c.mem.loadQword(address.of(c)), imm);
    }
  }

  static final class TestMI64 extends MemImm {
    TestMI64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.and(c, 0, c.mem.loadQword(address.of(c)), imm);
    }
  }

  static final class CmpMR64 extends RegMem {
    CmpMR64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Arithmetic.sub(c, 0, c.mem.loadQword(address.of(c)), c.r[reg]);
    }
  }

  /** Operation 0 to 7 of group 1 for 32 or 64 bits. */
  static Op registerMemory(Insn insn, int operation, int size) {
    return switch (operation << 1 | size >> 3) {
      case 0 -> new AddRM32(insn);
      case 1 -> new AddRM64(insn);
      case 2 -> new OrRM32(insn);
      case 3 -> new OrRM64(insn);
      case 4 -> new AdcRM32(insn);
      case 5 -> new AdcRM64(insn);
      case 6 -> new SbbRM32(insn);
      case 7 -> new SbbRM64(insn);
      case 8 -> new AndRM32(insn);
      case 9 -> new AndRM64(insn);
      case 10 -> new SubRM32(insn);
      case 11 -> new SubRM64(insn);
      case 12 -> new XorRM32(insn);
      case 13 -> new XorRM64(insn);
      case 14 -> new CmpRM32(insn);
      default -> new CmpRM64(insn);
    };
  }
}
