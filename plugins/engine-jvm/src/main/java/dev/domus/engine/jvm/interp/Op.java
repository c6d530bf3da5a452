package dev.domus.engine.jvm.interp;

import dev.domus.engine.jvm.decode.Insn;

/**
 * One instruction in executable form: an object whose class is the operation and whose final fields
 * are the operands.
 *
 * <p>Every class is compiled by itself, with the software TLB, flags and arithmetic inlined; the
 * interpreter's loop is a virtual call an instruction. Compared with one big {@code switch} this
 * keeps every method small (HotSpot does not compile beyond 8,000 bytecodes and stops inlining well
 * before), and meeting a new instruction does not throw the compiled loop away.
 *
 * <p><b>Contract of {@link #execute}:</b> it either completes the instruction or throws {@link
 * dev.domus.engine.jvm.memory.GuestFault} having changed nothing. Operations hold no state of an
 * execution, so that they can be interrupted anywhere.
 */
public abstract class Op {
  /** Offset in the page of the instruction. */
  public final int at;

  /** Offset in the page of what follows. */
  public final int next;

  /** How many instructions come before it in its block. */
  int before;

  /** A non-canonical memory operand is #SS, not #GP. */
  final boolean inStackSegment;

  /** Takes the position from the decoded form. */
  protected Op(Insn insn) {
    at = insn.at;
    next = insn.next();
    inStackSegment = insn.inStackSegment();
  }

  /**
   * For two instructions in one: where the first begins and the second ends; the memory operand is
   * the first's.
   */
  Op(Op first, Insn second) {
    at = first.at;
    next = second.next();
    inStackSegment = first.inStackSegment;
  }

  /** For operations that stand for no instruction. */
  Op(int at) {
    this.at = at;
    this.next = at;
    this.inStackSegment = false;
  }

  /** Executes the instruction. */
  public abstract void execute(Cpu c);
}
