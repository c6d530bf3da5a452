package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.kernel.engine.CpuState;

/** Instructions that set or fetch flags and do nothing else. */
final class FlagOps {
  private static final long LAHF_BITS =
      CpuState.SF | CpuState.ZF | CpuState.AF | CpuState.PF | CpuState.CF;

  private FlagOps() {}

  /** The status flags, and of the others those in {@code systemMask}, from a value popped. */
  static void setFromStack(Cpu c, long flags, long systemMask) {
    c.setStatus(flags);
    c.system = c.system & ~systemMask | flags & systemMask;
    c.mem.setAlignmentCheck((c.system & CpuState.AC) != 0 && (c.state.cr0 & 1 << 18) != 0);
  }

  /** CLC, STC, CMC, CLD, STD, LAHF and SAHF, told apart by the opcode. */
  static final class Simple extends Op {
    private final int opcode;

    Simple(Insn insn) {
      super(insn);
      opcode = insn.opcode;
    }

    @Override
    public void execute(Cpu c) {
      switch (opcode) {
        case 0xF8 -> c.setCarry(0);
        case 0xF9 -> c.setCarry(1);
        case 0xF5 -> c.setCarry(c.carry() ^ 1);
        case 0xFC -> c.system &= ~CpuState.DF;
        case 0xFD -> c.system |= CpuState.DF;
        case 0x9F -> Registers.set(c.r, Registers.HIGH, 1, c.status() & LAHF_BITS | 2);
        case 0x9E -> c.setStatus(Registers.get(c.r, Registers.HIGH, 1), LAHF_BITS);
        default -> throw new IllegalStateException("not a flag instruction opcode=" + opcode);
      }
    }
  }
}
