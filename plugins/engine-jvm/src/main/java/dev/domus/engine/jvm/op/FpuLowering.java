package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Op;

/** x87 instructions, D8 to DF and FWAIT, and those that save and restore floating-point state. */
final class FpuLowering {
  private FpuLowering() {}

  /** FWAIT. */
  static Op wait(Insn insn) {
    return new X87Op(insn, (c, f, va) -> {});
  }

  static Op lower(Insn insn) {
    return X87Lowering.lower(insn);
  }

  /** Group 15 with memory, 0 to 3. */
  static Op state(Insn insn) {
    return insn.digit() < 2
        ? new FpuStateOps.FullState(insn)
        : new FpuStateOps.ControlAndStatus(insn);
  }
}
