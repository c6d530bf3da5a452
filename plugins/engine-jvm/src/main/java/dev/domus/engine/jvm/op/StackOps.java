package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Block;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Jump;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.kernel.engine.CpuState;

/**
 * The stack. Its operand size is 64 bits, or 16 with a 66 prefix; RSP changes only once nothing can
 * fault any more.
 */
final class StackOps {
  private static final int RSP = CpuState.RSP;

  private StackOps() {}

  static int size(Insn insn) {
    return insn.operandSize && !insn.wide() ? 2 : 8;
  }

  static void push(Cpu c, long value, int size) {
    long rsp = c.r[RSP] - size;
    c.mem.storeStack(rsp, value, size);
    c.r[RSP] = rsp;
  }

  /** PUSH r64. */
  static final class Push64 extends Op {
    private final int register;

    Push64(Insn insn, int register) {
      super(insn);
      this.register = register;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      long rsp = r[RSP] - 8;
      c.mem.storeStackQword(rsp, r[register]);
      r[RSP] = rsp;
    }
  }

  /** POP r64. */
  static final class Pop64 extends Op {
    private final int register;

    Pop64(Insn insn, int register) {
      super(insn);
      this.register = register;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      long rsp = r[RSP];
      long value = c.mem.loadStackQword(rsp);
      r[RSP] = rsp + 8;
      r[register] = value;
    }
  }

  /** PUSH of anything. */
  static final class Push extends Op {
    private final Place from;
    private final int size;

    Push(Insn insn, Place from) {
      super(insn);
      this.from = from;
      this.size = size(insn);
    }

    @Override
    public void execute(Cpu c) {
      push(c, from.load(c), size);
    }
  }

  /**
   * POP to anything; an address with RSP is computed with the value after the pop (Intel SDM vol.
   * 2, POP).
   */
  static final class Pop extends Op {
    private final Place to;
    private final int size;

    Pop(Insn insn, Place to) {
      super(insn);
      this.to = to;
      this.size = size(insn);
    }

    @Override
    public void execute(Cpu c) {
      long rsp = c.r[RSP];
      long value = c.mem.loadStack(rsp, size);
      c.r[RSP] = rsp + size;
      if (to.isMemory()) {
        long va = to.address(c);
        c.r[RSP] = rsp;
        c.mem.store(va, value, size);
        c.r[RSP] = rsp + size;
      } else {
        to.store(c, value);
      }
    }
  }

  /** PUSH FS, PUSH GS. */
  static final class PushSegment extends Op {
    private final int segment;
    private final int size;

    PushSegment(Insn insn, int segment) {
      super(insn);
      this.segment = segment;
      this.size = size(insn);
    }

    @Override
    public void execute(Cpu c) {
      push(c, Segments.selector(c, segment), size);
    }
  }

  /** POP FS, POP GS. */
  static final class PopSegment extends Op {
    private final int segment;
    private final int size;

    PopSegment(Insn insn, int segment) {
      super(insn);
      this.segment = segment;
      this.size = size(insn);
    }

    @Override
    public void execute(Cpu c) {
      long rsp = c.r[RSP];
      Segments.load(c, segment, (int) c.mem.loadStack(rsp, size) & 0xFFFF);
      c.r[RSP] = rsp + size;
    }
  }

  /** PUSHF: RF and VM are pushed as zero. */
  static final class PushFlags extends Op {
    private final int size;

    PushFlags(Insn insn) {
      super(insn);
      size = size(insn);
    }

    @Override
    public void execute(Cpu c) {
      push(c, c.rflags() & ~(CpuState.RF | CpuState.VM), size);
    }
  }

  /**
   * POPF at CPL 3 with IOPL 0: IF and IOPL stay as they are, silently. Ends its block, for TF and
   * AC may have changed.
   */
  static final class PopFlags extends Jump {
    private final int size;

    PopFlags(Insn insn) {
      super(insn);
      size = size(insn);
    }

    @Override
    public Block follow(Cpu c) {
      long rsp = c.r[RSP];
      long flags = c.mem.loadStack(rsp, size);
      c.r[RSP] = rsp + size;
      FlagOps.setFromStack(c, flags, size == 2 ? Cpu.POPF_MASK & 0xFFFF : Cpu.POPF_MASK);
      return leaveSlowly(c, c.r[Insn.PAGE] + next);
    }
  }

  /** ENTER. */
  static final class Enter extends Op {
    private final int size;
    private final int bytes;
    private final int level;

    Enter(Insn insn) {
      super(insn);
      size = size(insn);
      bytes = (int) insn.imm & 0xFFFF;
      level = insn.imm2 & 31;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      long rbp = r[CpuState.RBP];
      long rsp = r[RSP] - size;
      c.mem.storeStack(rsp, rbp, size);
      long frame = rsp;
      for (int n = 1; n < level; n++) {
        rbp -= size;
        rsp -= size;
        c.mem.storeStack(rsp, c.mem.loadStack(rbp, size), size);
      }
      if (level > 0) {
        rsp -= size;
        c.mem.storeStack(rsp, frame, size);
      }
      rsp -= bytes;
      c.mem.probeWrite(
          rsp,
          size); // the manual asks for a fault here if the new top of the stack is not writable
      Registers.set(r, CpuState.RBP, size, frame);
      r[RSP] = rsp;
    }
  }

  /** LEAVE. */
  static final class Leave extends Op {
    private final int size;

    Leave(Insn insn) {
      super(insn);
      size = size(insn);
    }

    @Override
    public void execute(Cpu c) {
      long rbp = c.r[CpuState.RBP];
      long value = c.mem.loadStack(rbp, size);
      c.r[RSP] = rbp + size;
      Registers.set(c.r, CpuState.RBP, size, value);
    }
  }
}
