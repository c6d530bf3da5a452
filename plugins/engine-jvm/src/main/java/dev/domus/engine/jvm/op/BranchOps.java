package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Block;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Jump;
import dev.domus.kernel.engine.CpuState;

/**
 * Near branches. A target that is not canonical is #GP at the branch, which then has changed
 * nothing. With a 66 prefix and without REX.W the target is truncated to 16 bits, as on AMD's
 * processors; such branches are {@link Truncated}.
 */
final class BranchOps {
  private BranchOps() {}

  /** JMP rel. */
  static final class JumpTo extends Jump {
    private final Link link;

    JumpTo(Insn insn) {
      super(insn);
      link = new Link(insn.next() + (int) insn.imm);
    }

    @Override
    public Block follow(Cpu c) {
      return link.follow(c);
    }
  }

  /** Jcc rel. */
  static final class JumpIf extends Jump {
    private final int code;
    private final Link taken;
    private final Link otherwise;

    JumpIf(Insn insn) {
      super(insn);
      code = insn.op() & 15;
      taken = new Link(insn.next() + (int) insn.imm);
      otherwise = new Link(insn.next());
    }

    @Override
    public Block follow(Cpu c) {
      return c.condition(code) ? taken.follow(c) : otherwise.follow(c);
    }
  }

  /** JE and JNE. */
  static final class JumpIfZero extends Jump {
    private final Link taken;
    private final Link otherwise;

    JumpIfZero(Insn insn) {
      super(insn);
      Link to = new Link(insn.next() + (int) insn.imm);
      Link fall = new Link(insn.next());
      boolean negated = (insn.op() & 1) != 0;
      taken = negated ? fall : to;
      otherwise = negated ? to : fall;
    }

    @Override
    public Block follow(Cpu c) {
      return c.res == 0 ? taken.follow(c) : otherwise.follow(c);
    }
  }

  /** JB and JAE. */
  static final class JumpIfCarry extends Jump {
    private final Link taken;
    private final Link otherwise;

    JumpIfCarry(Insn insn) {
      super(insn);
      Link to = new Link(insn.next() + (int) insn.imm);
      Link fall = new Link(insn.next());
      boolean negated = (insn.op() & 1) != 0;
      taken = negated ? fall : to;
      otherwise = negated ? to : fall;
    }

    @Override
    public Block follow(Cpu c) {
      return c.aux < 0 ? taken.follow(c) : otherwise.follow(c);
    }
  }

  /** LOOPNE, LOOPE, LOOP and JRCXZ: E0 to E3. */
  static final class CountedJump extends Jump {
    private final int opcode;
    private final int size;
    private final Link taken;
    private final Link otherwise;

    CountedJump(Insn insn) {
      super(insn);
      opcode = insn.opcode;
      size = insn.addressSize ? 4 : 8;
      taken = new Link(insn.next() + (int) insn.imm);
      otherwise = new Link(insn.next());
    }

    @Override
    public Block follow(Cpu c) {
      long count = Registers.get(c.r, CpuState.RCX, size);
      if (opcode == 0xE3) {
        return count == 0 ? taken.follow(c) : otherwise.follow(c);
      }
      count = size == 4 ? count - 1 & 0xFFFFFFFFL : count - 1;
      boolean go = count != 0 && (opcode == 0xE2 || (opcode == 0xE1) == (c.res == 0));
      if (go) {
        c.checkTarget(taken.target(c));
      }
      Registers.set(c.r, CpuState.RCX, size, count);
      return go ? taken.follow(c) : otherwise.follow(c);
    }
  }

  /** CALL rel. */
  static final class Call extends Jump {
    private final Link link;

    Call(Insn insn) {
      super(insn);
      link = new Link(insn.next() + (int) insn.imm);
    }

    @Override
    public Block follow(Cpu c) {
      c.checkTarget(link.target(c));
      long[] r = c.r;
      long rsp = r[CpuState.RSP] - 8;
      c.mem.storeStackQword(rsp, r[Insn.PAGE] + next);
      r[CpuState.RSP] = rsp;
      return link.follow(c);
    }
  }

  /** CALL r/m64. */
  static final class CallIndirect extends Jump {
    private final Place to;

    CallIndirect(Insn insn) {
      super(insn);
      to = Place.rm(insn, 8);
    }

    @Override
    public Block follow(Cpu c) {
      long target = to.load(c);
      c.checkTarget(target);
      StackOps.push(c, c.r[Insn.PAGE] + next, 8);
      return leave(c, target);
    }
  }

  /** JMP r/m64. */
  static final class JumpIndirect extends Jump {
    private final Place to;

    JumpIndirect(Insn insn) {
      super(insn);
      to = Place.rm(insn, 8);
    }

    @Override
    public Block follow(Cpu c) {
      long target = to.load(c);
      c.checkTarget(target);
      return leave(c, target);
    }
  }

  /** RET, RET imm16. */
  static final class Return extends Jump {
    private final long release;

    Return(Insn insn) {
      super(insn);
      release = 8 + (insn.imm & 0xFFFF);
    }

    @Override
    public Block follow(Cpu c) {
      long[] r = c.r;
      long rsp = r[CpuState.RSP];
      long target = c.mem.loadStackQword(rsp);
      c.checkTarget(target);
      r[CpuState.RSP] = rsp + release;
      return leave(c, target);
    }
  }

  /** Any near branch with a 16-bit operand size: target and stack slot have 16 bits. */
  static final class Truncated extends Jump {
    private static final int CALL = 0xE8, RET_IMM = 0xC2, RET = 0xC3, GROUP_5 = 0xFF;
    private final Insn insn;
    private final Place to;

    Truncated(Insn insn) {
      super(insn);
      this.insn = insn;
      this.to = insn.opcode == GROUP_5 ? Place.rm(insn, 2) : null;
    }

    @Override
    public Block follow(Cpu c) {
      long[] r = c.r;
      long after = r[Insn.PAGE] + next;
      long target = after + insn.imm;
      boolean push = false;
      switch (insn.opcode) {
        case RET, RET_IMM -> {
          long rsp = r[CpuState.RSP];
          target = c.mem.loadStack(rsp, 2);
          r[CpuState.RSP] = rsp + 2 + (insn.imm & 0xFFFF);
        }
        case GROUP_5 -> {
          target = to.load(c);
          push = insn.digit() == 2;
        }
        case CALL -> push = true;
        case 0xE0, 0xE1, 0xE2, 0xE3 -> target = counted(c, after, target);
        default -> {
          boolean conditional = insn.opcode != 0xE9 && insn.opcode != 0xEB;
          if (conditional && !c.condition(insn.op() & 15)) {
            return leave(c, after);
          }
        }
      }
      if (push) {
        StackOps.push(c, after, 2);
      }
      return leave(c, target == after && insn.opcode >> 2 == 0x38 ? after : target & 0xFFFF);
    }

    private long counted(Cpu c, long after, long target) {
      int size = insn.addressSize ? 4 : 8;
      long count = Registers.get(c.r, CpuState.RCX, size);
      if (insn.opcode == 0xE3) {
        return count == 0 ? target : after;
      }
      Registers.set(c.r, CpuState.RCX, size, count - 1);
      boolean go =
          Registers.get(c.r, CpuState.RCX, size) != 0
              && (insn.opcode == 0xE2 || (insn.opcode == 0xE1) == (c.res == 0));
      return go ? target : after;
    }
  }
}
