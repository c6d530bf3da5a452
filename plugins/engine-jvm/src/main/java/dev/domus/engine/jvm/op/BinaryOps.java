package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.LinearMemory;

/**
 * Two-operand instructions in all forms; the frequent ones have classes of their own in {@link
 * FastAlu}.
 */
final class BinaryOps {
  /** Add, or, adc, sbb, and, sub, xor, cmp: in the order of opcodes 00 to 3F and of group 1. */
  static final Binary[] GROUP = {
    Arithmetic::add,
    Arithmetic::or,
    Arithmetic::adc,
    Arithmetic::sbb,
    Arithmetic::and,
    Arithmetic::sub,
    Arithmetic::xor,
    Arithmetic::sub
  };

  private BinaryOps() {}

  /** Reads both operands, writes the first. */
  static final class Update extends Op implements Lockable {
    private final Binary operation;
    private final Place to;
    private final Place from;
    private final int sh;
    private final boolean lockable;
    private final boolean locked;

    Update(Insn insn, Binary operation, Place to, Place from, boolean lockable) {
      super(insn);
      this.operation = operation;
      this.to = to;
      this.from = from;
      this.sh = 64 - 8 * to.size();
      this.lockable = lockable;
      this.locked = insn.lock;
    }

    @Override
    public boolean mayBeLocked() {
      return lockable && to.isMemory();
    }

    @Override
    public void execute(Cpu c) {
      if (!to.isMemory()) {
        long b = from.load(c);
        to.store(c, operation.apply(c, sh, to.load(c), b));
        return;
      }
      long va = to.address(c);
      if (locked) {
        lockedUpdate(c, va, to.size(), sh, operation, from.load(c));
      } else {
        long a = c.mem.loadForWrite(va, to.size());
        c.mem.store(va, operation.apply(c, sh, a, from.load(c)), to.size());
      }
    }
  }

  /** Reads both operands, sets flags only: CMP and TEST. */
  static final class Compare extends Op {
    private final Binary operation;
    private final Place left;
    private final Place right;
    private final int sh;

    Compare(Insn insn, Binary operation, Place left, Place right) {
      super(insn);
      this.operation = operation;
      this.left = left;
      this.right = right;
      this.sh = 64 - 8 * left.size();
    }

    @Override
    public void execute(Cpu c) {
      operation.apply(c, sh, left.load(c), right.load(c));
    }
  }

  /** A locked read-modify-write of memory; returns what was there before. */
  static long lockedUpdate(Cpu c, long va, int size, int sh, Binary operation, long b) {
    long ma = c.mem.lockedAddress(va, size);
    if (ma < 0) {
      synchronized (LinearMemory.splitLock()) {
        long a = c.mem.load(va, size);
        c.mem.store(va, operation.apply(c, sh, a, b), size);
        return a;
      }
    }
    long res = c.res;
    long aux = c.aux;
    while (true) {
      long a = c.mem.lockedLoad(ma, size);
      if (c.mem.compareAndSet(ma, size, a, operation.apply(c, sh, a, b))) {
        return a;
      }
      c.res = res;
      c.aux = aux;
    }
  }
}
