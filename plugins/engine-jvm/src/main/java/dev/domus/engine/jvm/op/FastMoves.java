package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;

/** The moves that make up most of what runs, with the operand sizes as constants. */
final class FastMoves {
  private FastMoves() {}

  /** MOV register, register. */
  static final class Register64 extends Op {
    private final int to;
    private final int from;

    Register64(Insn insn, int to, int from) {
      super(insn);
      this.to = to;
      this.from = from;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = r[from];
    }
  }

  /** MOV of 32 bits: clears the upper half. */
  static final class Register32 extends Op {
    private final int to;
    private final int from;

    Register32(Insn insn, int to, int from) {
      super(insn);
      this.to = to;
      this.from = from;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = r[from] & 0xFFFFFFFFL;
    }
  }

  /** MOV register, immediate; the value has its final 64 bits. */
  static final class Constant extends Op {
    private final int to;
    private final long value;

    Constant(Insn insn, int to, long value) {
      super(insn);
      this.to = to;
      this.value = value;
    }

    @Override
    public void execute(Cpu c) {
      c.r[to] = value;
    }
  }

  /** Register and memory operand. */
  private abstract static class WithMemory extends Op {
    final int reg;
    final Address address;

    WithMemory(Insn insn) {
      super(insn);
      reg = insn.reg;
      address = new Address(insn);
    }
  }

  /** MOV r64, m64. */
  static final class Load64 extends WithMemory {
    Load64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.r[reg] = c.mem.loadQword(address.of(c));
    }
  }

  /** MOV r32, m32. */
  static final class Load32 extends WithMemory {
    Load32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.r[reg] = c.mem.loadDword(address.of(c));
    }
  }

  /** MOVZX r32 or r64, m8. */
  static final class LoadZero8 extends WithMemory {
    LoadZero8(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.r[reg] = c.mem.loadByte(address.of(c));
    }
  }

  /** MOVZX r32 or r64, m16. */
  static final class LoadZero16 extends WithMemory {
    LoadZero16(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.r[reg] = c.mem.loadWord(address.of(c));
    }
  }

  /** MOVSXD r64, m32. */
  static final class LoadSign32 extends WithMemory {
    LoadSign32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.r[reg] = (int) c.mem.loadDword(address.of(c));
    }
  }

  /** MOV m64, r64. */
  static final class Store64 extends WithMemory {
    Store64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.mem.storeQword(address.of(c), c.r[reg]);
    }
  }

  /** MOV m32, r32. */
  static final class Store32 extends WithMemory {
    Store32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.mem.storeDword(address.of(c), c.r[reg]);
    }
  }

  /** MOV m8, r8 (low bytes). */
  static final class Store8 extends WithMemory {
    Store8(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.mem.storeByte(address.of(c), c.r[reg]);
    }
  }

  /** MOV m, imm. */
  static final class StoreConstant extends Op {
    private final Address address;
    private final long value;
    private final int size;

    StoreConstant(Insn insn, int size) {
      super(insn);
      this.address = new Address(insn);
      this.value = insn.imm;
      this.size = size;
    }

    @Override
    public void execute(Cpu c) {
      c.mem.store(address.of(c), value, size);
    }
  }

  /** MOVZX r32, r8 and r32, r16, and their r64 forms: a mask. */
  static final class Masked extends Op {
    private final int to;
    private final int from;
    private final long mask;

    Masked(Insn insn, int to, int from, long mask) {
      super(insn);
      this.to = to;
      this.from = from;
      this.mask = mask;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = r[from] & mask;
    }
  }

  /** MOVSXD r64, r32. */
  static final class SignExtended extends Op {
    private final int to;
    private final int from;

    SignExtended(Insn insn, int to, int from) {
      super(insn);
      this.to = to;
      this.from = from;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      r[to] = (int) r[from];
    }
  }

  /** LEA r64. */
  static final class Lea64 extends WithMemory {
    Lea64(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.r[reg] = address.offset(c);
    }
  }

  /** LEA r32. */
  static final class Lea32 extends WithMemory {
    Lea32(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.r[reg] = address.offset(c) & 0xFFFFFFFFL;
    }
  }
}
