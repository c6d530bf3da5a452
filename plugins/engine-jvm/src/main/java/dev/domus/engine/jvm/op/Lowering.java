package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Faulting;
import dev.domus.engine.jvm.interp.InstructionSet;
import dev.domus.engine.jvm.interp.Jump;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;

/**
 * Turns decoded instructions into operations: the place where an opcode gets its meaning, and where
 * encodings that exist but have none are turned into #UD.
 */
public final class Lowering implements InstructionSet {
  /** Made once an engine. */
  public Lowering() {}

  @Override
  public Op lower(Insn insn) {
    Op op =
        insn.vex
            ? BmiOps.lower(insn)
            : switch (insn.opcode & ~0xFF) {
              case 0 -> LowerOneByte.lower(insn);
              case Insn.MAP_0F -> LowerTwoByte.lower(insn);
              default -> LowerThreeByte.lower(insn);
            };
    if (op == null) {
      return new Faulting(insn, GuestFault.UD);
    }
    if (insn.lock && !(op instanceof Lockable lockable && lockable.mayBeLocked())) {
      return new Faulting(insn, GuestFault.UD);
    }
    return op;
  }

  @Override
  public Jump fuse(Op first, Insn last) {
    boolean conditional = last.opcode >> 4 == 7 || last.opcode >> 4 == 0x18;
    return conditional && !last.operandSize && !last.lock ? FusedJumps.fuse(first, last) : null;
  }

  /** A privileged instruction: #GP(0) at CPL 3. */
  static Op privileged(Insn insn) {
    return new Faulting(insn, GuestFault.GP);
  }
}
