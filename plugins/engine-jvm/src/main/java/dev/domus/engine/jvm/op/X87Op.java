package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.FpuState;

/** Any x87 instruction: what it does is given to it. */
final class X87Op extends Op {
  /** The instruction itself. */
  @FunctionalInterface
  interface Action {
    /**
     * Executes.
     *
     * @param va the address of the memory operand, if there is one
     */
    void apply(Cpu c, FpuState f, long va);
  }

  private final Address address;
  private final Action action;

  X87Op(Insn insn, Action action) {
    super(insn);
    this.address = insn.memory ? new Address(insn) : null;
    this.action = action;
  }

  @Override
  public void execute(Cpu c) {
    if (c.taskSwitched) {
      throw c.raise(GuestFault.NM);
    }
    action.apply(c, c.state.fpu, address == null ? 0 : address.of(c));
  }
}
