package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Block;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Jump;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.CpuState;

/** Instructions on segment registers and descriptors, and far transfers. */
final class SegmentOps {
  private SegmentOps() {}

  /** MOV r/m, Sreg: 16 bits to memory, zero-extended to a register. */
  static final class Store extends Op {
    private final Place to;
    private final int segment;

    Store(Insn insn) {
      super(insn);
      segment = insn.digit();
      to = Place.rm(insn, insn.memory ? 2 : insn.size);
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, Segments.selector(c, segment));
    }
  }

  /** MOV Sreg, r/m16 for ES, DS, FS and GS. */
  static final class Load extends Op {
    private final Place from;
    private final int segment;

    Load(Insn insn) {
      super(insn);
      segment = insn.digit();
      from = Place.rm(insn, 2);
    }

    @Override
    public void execute(Cpu c) {
      Segments.load(c, segment, (int) from.load(c));
    }
  }

  /**
   * MOV SS: debug exceptions are held off until after the next instruction, so it ends its block.
   */
  static final class LoadStack extends Jump {
    private final Place from;

    LoadStack(Insn insn) {
      super(insn);
      from = Place.rm(insn, 2);
    }

    @Override
    public Block follow(Cpu c) {
      Segments.load(c, Segments.SS, (int) from.load(c));
      c.state.ssShadow = true;
      return leaveSlowly(c, c.r[Insn.PAGE] + next);
    }
  }

  /** LSS, LFS, LGS. */
  static final class LoadFar extends Jump {
    private final Address address;
    private final Place to;
    private final int size;
    private final int segment;

    LoadFar(Insn insn, int segment) {
      super(insn);
      this.address = new Address(insn);
      this.size = insn.operandSize && !insn.wide() ? 2 : 4; // m16:64 is Intel's alone
      this.to = Place.reg(insn, insn.wide() ? 8 : size);
      this.segment = segment;
    }

    @Override
    public Block follow(Cpu c) {
      long va = address.of(c);
      long offset = c.mem.load(va, size);
      Segments.load(c, segment, (int) c.mem.load(va + size, 2));
      to.store(c, offset);
      return leaveSlowly(c, c.r[Insn.PAGE] + next);
    }
  }

  /** LAR and LSL: ZF says whether the descriptor may be seen. */
  static final class Inspect extends Op {
    private final Place to;
    private final Place from;
    private final boolean limit;

    Inspect(Insn insn) {
      super(insn);
      to = Place.reg(insn, insn.size);
      from = Place.rm(insn, 2);
      limit = insn.op() == 3;
    }

    @Override
    public void execute(Cpu c) {
      int selector = (int) from.load(c);
      long value = limit ? Segments.limit(c, selector) : Segments.accessRights(c, selector);
      if (value >= 0) {
        to.store(c, value);
      }
      c.setStatus(value >= 0 ? CpuState.ZF : 0, CpuState.ZF);
    }
  }

  /** VERR and VERW. */
  static final class Verify extends Op {
    private final Place from;
    private final boolean write;

    Verify(Insn insn) {
      super(insn);
      from = Place.rm(insn, 2);
      write = insn.digit() == 5;
    }

    @Override
    public void execute(Cpu c) {
      int selector = (int) from.load(c);
      boolean may = write ? Segments.writable(c, selector) : Segments.readable(c, selector);
      c.setStatus(may ? CpuState.ZF : 0, CpuState.ZF);
    }
  }

  /** RETF: operand size 32 by default, 64 with REX.W, 16 with 66. */
  static final class FarReturn extends Jump {
    private final int size;
    private final int release;

    FarReturn(Insn insn) {
      super(insn);
      size = insn.size;
      release = (int) insn.imm & 0xFFFF;
    }

    @Override
    public Block follow(Cpu c) {
      long rsp = c.r[CpuState.RSP];
      long target = c.mem.loadStack(rsp, size);
      int selector = (int) c.mem.loadStack(rsp + size, size) & 0xFFFF;
      Segments.checkCode(c, selector, true);
      c.checkTarget(target);
      c.r[CpuState.RSP] = rsp + 2 * size + release;
      c.state.cs = selector;
      return leaveSlowly(c, target);
    }
  }

  /** CALL and JMP through m16:16 or m16:32; REX.W changes nothing on AMD's processors. */
  static final class FarTransfer extends Jump {
    private final Address address;
    private final int size;
    private final boolean call;

    FarTransfer(Insn insn) {
      super(insn);
      address = new Address(insn);
      size = insn.operandSize && !insn.wide() ? 2 : 4;
      call = insn.digit() == 3;
    }

    @Override
    public Block follow(Cpu c) {
      long va = address.of(c);
      long target = c.mem.load(va, size);
      int selector = (int) c.mem.load(va + size, 2);
      Segments.checkCode(c, selector, false);
      c.checkTarget(target);
      if (call) {
        long rsp = c.r[CpuState.RSP];
        long after = c.r[Insn.PAGE] + next;
        c.mem.storeStack(rsp - size, c.state.cs, size);
        c.mem.storeStack(rsp - 2 * size, after, size);
        c.r[CpuState.RSP] = rsp - 2 * size;
      }
      c.state.cs = selector | 3;
      return leaveSlowly(c, target);
    }
  }

  /**
   * IRET to the same privilege level, which is all there is at CPL 3. In 64-bit mode it always
   * restores SS:RSP.
   */
  static final class InterruptReturn extends Jump {
    private final int size;

    InterruptReturn(Insn insn) {
      super(insn);
      size = insn.size;
    }

    @Override
    public Block follow(Cpu c) {
      if ((c.system & CpuState.NT) != 0) {
        throw c.raise(GuestFault.GP);
      }
      long rsp = c.r[CpuState.RSP];
      long target = c.mem.loadStack(rsp, size);
      int cs = (int) c.mem.loadStack(rsp + size, size) & 0xFFFF;
      long flags = c.mem.loadStack(rsp + 2 * size, size);
      long newRsp = c.mem.loadStack(rsp + 3 * size, size);
      int ss = (int) c.mem.loadStack(rsp + 4 * size, size) & 0xFFFF;
      Segments.checkCode(c, cs, true);
      Segments.checkStack(c, ss);
      c.checkTarget(target);
      long mask = Cpu.POPF_MASK | CpuState.RF;
      FlagOps.setFromStack(c, flags, size == 2 ? mask & 0xFFFF : mask);
      c.state.cs = cs;
      c.state.ss = ss;
      c.r[CpuState.RSP] = newRsp;
      return leaveSlowly(c, target);
    }
  }
}
