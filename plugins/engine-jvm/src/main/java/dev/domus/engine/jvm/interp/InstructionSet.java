package dev.domus.engine.jvm.interp;

import dev.domus.engine.jvm.decode.Insn;

/** What the interpreter needs to know of instructions: how to make them executable. */
public interface InstructionSet {
  /** The operation of an instruction; one that raises #UD if there is none. */
  Op lower(Insn insn);

  /**
   * Two instructions as one operation.
   *
   * @param first the operation before the last of a block
   * @param last the decoded form of the last
   * @return the operation for both, or null if there is none
   */
  Jump fuse(Op first, Insn last);
}
