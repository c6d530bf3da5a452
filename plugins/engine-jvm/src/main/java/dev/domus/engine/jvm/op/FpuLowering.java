package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Op;

/** x87 and state. */
final class FpuLowering {
  private FpuLowering() {}

  static Op wait(Insn insn) {
    return null;
  }

  static Op lower(Insn insn) {
    return null;
  }

  static Op state(Insn insn) {
    return null;
  }
}
