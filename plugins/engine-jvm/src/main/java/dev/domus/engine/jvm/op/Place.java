package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;

/** An operand of any kind, for operations that are not worth a class for each. */
final class Place {
  private final int register;
  private final Address address;
  private final long immediate;
  private final int size;

  private Place(int register, Address address, long immediate, int size) {
    this.register = register;
    this.address = address;
    this.immediate = immediate;
    this.size = size;
  }

  /** What ModRM.rm names. */
  static Place rm(Insn insn, int size) {
    return insn.memory
        ? new Place(-1, new Address(insn), 0, size)
        : new Place(Registers.number(insn, insn.rm, size), null, 0, size);
  }

  /** What ModRM.reg names. */
  static Place reg(Insn insn, int size) {
    return new Place(Registers.number(insn, insn.reg, size), null, 0, size);
  }

  /** A register by its number. */
  static Place register(int n, int size) {
    return new Place(n, null, 0, size);
  }

  static Place immediate(long value, int size) {
    return new Place(-1, null, value, size);
  }

  boolean isMemory() {
    return address != null;
  }

  int size() {
    return size;
  }

  long address(Cpu c) {
    return address.of(c);
  }

  /** The offset of a memory operand in its segment. */
  long offset(Cpu c) {
    return address.offset(c);
  }

  int register() {
    return register;
  }

  /** The value, zero-extended (an immediate: as it is). */
  long load(Cpu c) {
    if (register >= 0) {
      return Registers.get(c.r, register, size);
    }
    return address != null ? c.mem.load(address.of(c), size) : immediate;
  }

  void store(Cpu c, long value) {
    if (register >= 0) {
      Registers.set(c.r, register, size, value);
    } else {
      c.mem.store(address.of(c), value, size);
    }
  }
}
