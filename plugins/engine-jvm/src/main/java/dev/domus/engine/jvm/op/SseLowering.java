package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Op;

/** SSE and MMX. */
final class SseLowering {
  private SseLowering() {}

  static Op lower(Insn insn) {
    return null;
  }
}
