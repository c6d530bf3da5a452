package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;

/** The address of a memory operand, over general and pseudo registers. */
final class Address {
  private final int base;
  private final int index;
  private final int scale;
  private final int segment;
  private final long disp;

  /**
   * There is a base or RIP alone, in a segment without a base: nearly always so, and worth a
   * branch.
   */
  private final boolean simple;

  /** 32 ones with an address-size prefix, else 64. */
  private final long mask;

  Address(Insn insn) {
    base = insn.base;
    index = insn.index;
    scale = insn.scale;
    segment = insn.segmentBase();
    disp = insn.disp;
    mask = insn.addressSize ? 0xFFFFFFFFL : -1;
    simple = index == Insn.ZERO && segment == Insn.ZERO && mask == -1;
  }

  /** The linear address. */
  long of(Cpu c) {
    long[] r = c.r;
    if (simple) {
      return r[base] + disp;
    }
    return (r[base] + (r[index] << scale) + disp & mask) + r[segment];
  }

  /** The offset alone, as LEA gives it. */
  long offset(Cpu c) {
    long[] r = c.r;
    return r[base] + (r[index] << scale) + disp & mask;
  }
}
