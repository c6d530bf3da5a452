package dev.domus.engine.jvm.interp;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.memory.GuestFault;

/**
 * An instruction that always faults, with error code 0 if the vector has one: undefined, privileged
 * or too long.
 */
public final class Faulting extends Jump {
  private final int vector;

  /** An instruction that raises {@code vector}. */
  public Faulting(Insn insn, int vector) {
    super(insn);
    this.vector = vector;
  }

  boolean isUndefined() {
    return vector == GuestFault.UD;
  }

  @Override
  public Block follow(Cpu c) {
    throw c.raise(vector);
  }
}
