package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.interp.Cpu;

/** The semantics of a two-operand instruction, flags included. */
@FunctionalInterface
interface Binary {
  /**
   * Computes the result and sets the status flags.
   *
   * @param sh 64 minus the operand size in bits
   * @param a destination operand; bits beyond the operand size are ignored
   * @param b source operand, likewise
   * @return the result; bits beyond the operand size mean nothing
   */
  long apply(Cpu c, int sh, long a, long b);
}
