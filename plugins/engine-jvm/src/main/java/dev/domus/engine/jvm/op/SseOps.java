package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.FpuState;

/** Operand forms of SSE and MMX instructions; what they compute is given to them. */
final class SseOps {
  private SseOps() {}

  /** What an instruction does with its destination register and a source of up to 128 bits. */
  @FunctionalInterface
  interface Wide {
    /**
     * Computes.
     *
     * @param x the XMM registers, two quadwords each
     * @param d index in {@code x} of the destination's low quadword
     */
    void apply(Cpu c, long[] x, int d, long low, long high);
  }

  /** An XMM register or memory of 4, 8 or 16 bytes. */
  static final class Source {
    private final int register;
    private final Address address;
    private final int bytes;
    private final boolean aligned;

    Source(Insn insn, int bytes, boolean aligned) {
      register = 2 * insn.rm;
      address = insn.memory ? new Address(insn) : null;
      this.bytes = bytes;
      this.aligned = aligned;
    }

    boolean isMemory() {
      return address != null;
    }

    int register() {
      return register;
    }

    /** The address; #GP if it must be aligned and is not. */
    long address(Cpu c) {
      long va = address.of(c);
      if (aligned && (va & 15) != 0 && va << 16 >> 16 == va) {
        throw c.raise(GuestFault.GP);
      }
      return va;
    }

    long low(Cpu c, long va) {
      return bytes == 4 ? c.mem.loadDword(va) : c.mem.loadQword(va);
    }

    long high(Cpu c, long va) {
      return bytes == 16 ? c.mem.loadQword(va + 8) : 0;
    }
  }

  static void requireSse(Cpu c) {
    if (c.taskSwitched) {
      throw c.raise(GuestFault.NM);
    }
  }

  /** An XMM register and a source. */
  static final class Compute extends Op {
    private final int to;
    private final Source from;
    private final Wide operation;

    Compute(Insn insn, int bytes, boolean aligned, Wide operation) {
      super(insn);
      this.to = 2 * insn.reg;
      this.from = new Source(insn, bytes, aligned);
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long[] x = c.state.fpu.xmm;
      if (from.isMemory()) {
        long va = from.address(c);
        operation.apply(c, x, to, from.low(c, va), from.high(c, va));
      } else {
        int s = from.register();
        operation.apply(c, x, to, x[s], x[s + 1]);
      }
    }
  }

  /** An XMM register and a source, each half by itself. */
  static final class ByHalves extends Op {
    private final int to;
    private final Source from;
    private final PackedInteger.Half operation;

    ByHalves(Insn insn, PackedInteger.Half operation) {
      super(insn);
      this.to = 2 * insn.reg;
      this.from = new Source(insn, 16, true);
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long[] x = c.state.fpu.xmm;
      long low;
      long high;
      if (from.isMemory()) {
        long va = from.address(c);
        low = c.mem.loadQword(va);
        high = c.mem.loadQword(va + 8);
      } else {
        low = x[from.register()];
        high = x[from.register() + 1];
      }
      x[to] = operation.apply(x[to], low);
      x[to + 1] = operation.apply(x[to + 1], high);
    }
  }

  /** MOVUPS, MOVAPS, MOVDQA, MOVDQU, LDDQU: 16 bytes to a register. */
  static final class Load128 extends Op {
    private final int to;
    private final Source from;

    Load128(Insn insn, boolean aligned) {
      super(insn);
      to = 2 * insn.reg;
      from = new Source(insn, 16, aligned);
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long[] x = c.state.fpu.xmm;
      if (from.isMemory()) {
        long va = from.address(c);
        long low = c.mem.loadQword(va);
        x[to + 1] = c.mem.loadQword(va + 8);
        x[to] = low;
      } else {
        int s = from.register();
        x[to] = x[s];
        x[to + 1] = x[s + 1];
      }
    }
  }

  /** The same moves in the other direction. */
  static final class Store128 extends Op {
    private final int from;
    private final Source to;

    Store128(Insn insn, boolean aligned) {
      super(insn);
      from = 2 * insn.reg;
      to = new Source(insn, 16, aligned);
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long[] x = c.state.fpu.xmm;
      if (to.isMemory()) {
        long va = to.address(c);
        if ((va & 4095) > 4096 - 16) {
          c.mem.probeWrite(va, 16);
        }
        c.mem.storeQword(va, x[from]);
        c.mem.storeQword(va + 8, x[from + 1]);
      } else {
        int d = to.register();
        x[d] = x[from];
        x[d + 1] = x[from + 1];
      }
    }
  }

  /** Stores 4 or 8 bytes of a register: its low or its high quadword. */
  static final class StorePart extends Op {
    private final int from;
    private final Address to;
    private final int bytes;

    StorePart(Insn insn, int bytes, boolean high) {
      super(insn);
      from = 2 * insn.reg + (high ? 1 : 0);
      to = new Address(insn);
      this.bytes = bytes;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      c.mem.store(to.of(c), c.state.fpu.xmm[from], bytes);
    }
  }

  /** Register-to-register forms of stores: the destination is ModRM.rm. */
  static final class MoveToRm extends Op {
    private final int to;
    private final int from;
    private final Wide operation;

    MoveToRm(Insn insn, Wide operation) {
      super(insn);
      to = 2 * insn.rm;
      from = 2 * insn.reg;
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long[] x = c.state.fpu.xmm;
      operation.apply(c, x, to, x[from], x[from + 1]);
    }
  }

  /** MOVD and MOVQ from a general register or memory: the rest is cleared. */
  static final class FromGeneral extends Op {
    private final int to;
    private final Place from;

    FromGeneral(Insn insn) {
      super(insn);
      to = 2 * insn.reg;
      from = Place.rm(insn, insn.wide() ? 8 : 4);
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long value = from.load(c);
      long[] x = c.state.fpu.xmm;
      x[to] = value;
      x[to + 1] = 0;
    }
  }

  /** MOVD and MOVQ to a general register or memory. */
  static final class ToGeneral extends Op {
    private final int from;
    private final Place to;

    ToGeneral(Insn insn) {
      super(insn);
      from = 2 * insn.reg;
      to = Place.rm(insn, insn.wide() ? 8 : 4);
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      to.store(c, c.state.fpu.xmm[from]);
    }
  }

  /**
   * A result for a general register out of an XMM register or memory: PMOVMSKB, CVTSS2SI, PEXTRW
   * and others.
   */
  static final class Extract extends Op {
    private final int to;
    private final int size;
    private final Source from;
    private final Extraction operation;

    /** What is computed. */
    @FunctionalInterface
    interface Extraction {
      long apply(Cpu c, long low, long high);
    }

    Extract(Insn insn, int bytes, int size, Extraction operation) {
      super(insn);
      this.to = insn.reg;
      this.size = size;
      this.from = new Source(insn, bytes, false);
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long low;
      long high;
      if (from.isMemory()) {
        long va = from.address(c);
        low = from.low(c, va);
        high = from.high(c, va);
      } else {
        long[] x = c.state.fpu.xmm;
        low = x[from.register()];
        high = x[from.register() + 1];
      }
      Registers.set(c.r, to, size, operation.apply(c, low, high));
    }
  }

  /** A general register or memory goes into an XMM register: CVTSI2SS, CVTSI2SD, PINSRW. */
  static final class Insert extends Op {
    private final int to;
    private final Place from;
    private final Wide operation;

    Insert(Insn insn, Place from, Wide operation) {
      super(insn);
      this.to = 2 * insn.reg;
      this.from = from;
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      operation.apply(c, c.state.fpu.xmm, to, from.load(c), 0);
    }
  }

  /** COMISS, UCOMISS, COMISD, UCOMISD. */
  static final class CompareFlags extends Op {
    private final int left;
    private final Source right;
    private final boolean dual;

    CompareFlags(Insn insn, boolean dual) {
      super(insn);
      left = 2 * insn.reg;
      right = new Source(insn, dual ? 8 : 4, false);
      this.dual = dual;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long[] x = c.state.fpu.xmm;
      long b = right.isMemory() ? right.low(c, right.address(c)) : x[right.register()];
      double p = dual ? Double.longBitsToDouble(x[left]) : Float.intBitsToFloat((int) x[left]);
      double q = dual ? Double.longBitsToDouble(b) : Float.intBitsToFloat((int) b);
      c.setStatus(p > q ? 0 : p < q ? 1 : p == q ? 0x40 : 0x45);
    }
  }

  /** Shifts of group 12 to 14 by an immediate; the register is ModRM.rm. */
  static final class ShiftImmediate extends Op {
    private final int register;
    private final Wide operation;

    ShiftImmediate(Insn insn, Wide operation) {
      super(insn);
      register = 2 * insn.rm;
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      long[] x = c.state.fpu.xmm;
      operation.apply(c, x, register, x[register], x[register + 1]);
    }
  }

  /** MASKMOVDQU: the bytes whose mask byte has its top bit set go to DS:RDI. */
  static final class MaskedStore extends Op {
    private final Insn insn;

    MaskedStore(Insn insn) {
      super(insn);
      this.insn = insn;
    }

    @Override
    public void execute(Cpu c) {
      requireSse(c);
      FpuState f = c.state.fpu;
      long va = (insn.addressSize ? c.r[7] & 0xFFFFFFFFL : c.r[7]) + c.r[insn.segmentBase()];
      for (int n = 0; n < 16; n++) {
        long mask = f.xmm[2 * insn.rm + (n >> 3)] >>> 8 * (n & 7);
        if ((mask & 0x80) != 0) {
          c.mem.storeByte(va + n, f.xmm[2 * insn.reg + (n >> 3)] >>> 8 * (n & 7));
        }
      }
    }
  }
}
