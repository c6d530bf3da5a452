package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.engine.jvm.memory.LinearMemory;
import dev.domus.kernel.engine.CpuState;

/** Moves, extensions and exchanges in their general forms. */
final class MoveOps {
  private MoveOps() {}

  /** MOV between any two operands of one size. */
  static final class Move extends Op {
    private final Place to;
    private final Place from;

    Move(Insn insn, Place to, Place from) {
      super(insn);
      this.to = to;
      this.from = from;
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, from.load(c));
    }
  }

  /** MOVSX, MOVSXD. */
  static final class SignExtend extends Op {
    private final Place to;
    private final Place from;
    private final int sh;

    SignExtend(Insn insn, Place to, Place from) {
      super(insn);
      this.to = to;
      this.from = from;
      this.sh = 64 - 8 * from.size();
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, from.load(c) << sh >> sh);
    }
  }

  /** LEA r16. */
  static final class Lea extends Op {
    private final Place to;
    private final Address address;

    Lea(Insn insn, Place to) {
      super(insn);
      this.to = to;
      this.address = new Address(insn);
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, address.offset(c));
    }
  }

  /** XCHG; with memory it is locked whether it says so or not. */
  static final class Exchange extends Op implements Lockable {
    private final Place rm;
    private final Place reg;

    Exchange(Insn insn, Place rm, Place reg) {
      super(insn);
      this.rm = rm;
      this.reg = reg;
    }

    @Override
    public boolean mayBeLocked() {
      return rm.isMemory();
    }

    @Override
    public void execute(Cpu c) {
      long b = reg.load(c);
      if (rm.isMemory()) {
        reg.store(c, BinaryOps.lockedUpdate(c, rm.address(c), rm.size(), 0, Exchange::second, b));
      } else {
        long a = rm.load(c);
        rm.store(c, b);
        reg.store(c, a);
      }
    }

    private static long second(Cpu c, int sh, long a, long b) {
      return b;
    }
  }

  /** XADD. */
  static final class ExchangeAdd extends Op implements Lockable {
    private final Place rm;
    private final Place reg;
    private final int sh;
    private final boolean locked;

    ExchangeAdd(Insn insn, Place rm, Place reg) {
      super(insn);
      this.rm = rm;
      this.reg = reg;
      this.sh = 64 - 8 * rm.size();
      this.locked = insn.lock;
    }

    @Override
    public boolean mayBeLocked() {
      return rm.isMemory();
    }

    @Override
    public void execute(Cpu c) {
      long b = reg.load(c);
      long a;
      if (!rm.isMemory()) {
        a = rm.load(c);
        long sum = Arithmetic.add(c, sh, a, b);
        reg.store(c, a);
        rm.store(c, sum); // last: XADD of a register with itself leaves the sum
        return;
      }
      long va = rm.address(c);
      if (locked) {
        a = BinaryOps.lockedUpdate(c, va, rm.size(), sh, Arithmetic::add, b);
      } else {
        a = c.mem.loadForWrite(va, rm.size());
        c.mem.store(va, Arithmetic.add(c, sh, a, b), rm.size());
      }
      reg.store(c, a);
    }
  }

  /** CMPXCHG. */
  static final class CompareExchange extends Op implements Lockable {
    private final Place rm;
    private final Place reg;
    private final int size;
    private final int sh;
    private final boolean locked;

    CompareExchange(Insn insn, Place rm, Place reg) {
      super(insn);
      this.rm = rm;
      this.reg = reg;
      this.size = rm.size();
      this.sh = 64 - 8 * size;
      this.locked = insn.lock;
    }

    @Override
    public boolean mayBeLocked() {
      return rm.isMemory();
    }

    @Override
    public void execute(Cpu c) {
      long expected = Registers.get(c.r, CpuState.RAX, size);
      long value = reg.load(c);
      long found;
      if (!rm.isMemory()) {
        found = rm.load(c);
        if (found == expected) { // else the register stays, upper half included
          rm.store(c, value);
        }
      } else if (locked) {
        found = lockedExchange(c, rm.address(c), expected, value);
      } else {
        long va = rm.address(c);
        found = c.mem.loadForWrite(va, size);
        c.mem.store(va, found == expected ? value : found, size);
      }
      Arithmetic.sub(c, sh, expected, found);
      if (found != expected) {
        Registers.set(c.r, CpuState.RAX, size, found);
      }
    }

    private long lockedExchange(Cpu c, long va, long expected, long value) {
      long ma = c.mem.lockedAddress(va, size);
      if (ma < 0) {
        synchronized (LinearMemory.splitLock()) {
          long found = c.mem.load(va, size);
          c.mem.store(va, found == expected ? value : found, size);
          return found;
        }
      }
      while (true) {
        long found = c.mem.lockedLoad(ma, size);
        if (found != expected || c.mem.compareAndSet(ma, size, expected, value)) {
          return found;
        }
      }
    }
  }

  /**
   * CMPXCHG8B and CMPXCHG16B. Java has no 16-byte compare-and-set, so the latter excludes other
   * CMPXCHG16B by a lock and changes the two halves one after the other: atomic against its like,
   * not against plain stores between its halves.
   */
  static final class CompareExchangePair extends Op implements Lockable {
    private final Address address;
    private final int size;

    CompareExchangePair(Insn insn) {
      super(insn);
      this.address = new Address(insn);
      this.size = insn.wide() ? 16 : 8;
    }

    @Override
    public boolean mayBeLocked() {
      return true;
    }

    @Override
    public void execute(Cpu c) {
      long va = address.of(c);
      if (size == 16) {
        quadwords(c, va);
      } else {
        dwords(c, va);
      }
    }

    private void dwords(Cpu c, long va) {
      long[] r = c.r;
      long expected = r[CpuState.RAX] & 0xFFFFFFFFL | r[CpuState.RDX] << 32;
      long value = r[CpuState.RBX] & 0xFFFFFFFFL | r[CpuState.RCX] << 32;
      long found;
      long ma = c.mem.lockedAddress(va, 8);
      if (ma < 0) {
        synchronized (LinearMemory.splitLock()) {
          found = c.mem.load(va, 8);
          c.mem.store(va, found == expected ? value : found, 8);
        }
      } else {
        do {
          found = c.mem.lockedLoad(ma, 8);
        } while (!c.mem.compareAndSet(ma, 8, found, found == expected ? value : found));
      }
      if (found != expected) {
        r[CpuState.RAX] = found & 0xFFFFFFFFL;
        r[CpuState.RDX] = found >>> 32;
      }
      c.setStatus(found == expected ? CpuState.ZF : 0, CpuState.ZF);
    }

    private static void quadwords(Cpu c, long va) {
      if (va << 16 >> 16 == va && (va & 15) != 0) {
        throw c.raise(GuestFault.GP);
      }
      long[] r = c.r;
      long low = c.mem.lockedAddress(va, 8);
      long high = c.mem.lockedAddress(va + 8, 8);
      boolean equal;
      synchronized (LinearMemory.splitLock()) {
        if (low < 0) {
          inIoMemory(c, va);
          return;
        }
        long l;
        long h;
        do {
          l = c.mem.lockedLoad(low, 8);
          h = c.mem.lockedLoad(high, 8);
          equal = l == r[CpuState.RAX] && h == r[CpuState.RDX];
        } while (equal && !c.mem.compareAndSet(low, 8, l, r[CpuState.RBX]));
        if (equal) {
          while (!c.mem.compareAndSet(high, 8, h, r[CpuState.RCX])) {
            h = c.mem.lockedLoad(high, 8);
          }
        } else {
          r[CpuState.RAX] = l;
          r[CpuState.RDX] = h;
        }
      }
      c.setStatus(equal ? CpuState.ZF : 0, CpuState.ZF);
    }

    private static void inIoMemory(Cpu c, long va) {
      long[] r = c.r;
      long l = c.mem.load(va, 8);
      long h = c.mem.load(va + 8, 8);
      boolean equal = l == r[CpuState.RAX] && h == r[CpuState.RDX];
      c.mem.store(va, equal ? r[CpuState.RBX] : l, 8);
      c.mem.store(va + 8, equal ? r[CpuState.RCX] : h, 8);
      r[CpuState.RAX] = l;
      r[CpuState.RDX] = h;
      c.setStatus(equal ? CpuState.ZF : 0, CpuState.ZF);
    }
  }

  /** BSWAP; of 16 bits it is undefined and gives zero, as processors do. */
  static final class ByteSwap extends Op {
    private final int register;
    private final int size;

    ByteSwap(Insn insn) {
      super(insn);
      register = insn.rm;
      size = insn.size;
    }

    @Override
    public void execute(Cpu c) {
      long value = c.r[register];
      Registers.set(
          c.r,
          register,
          size,
          size == 8 ? Long.reverseBytes(value) : size == 4 ? Integer.reverseBytes((int) value) : 0);
    }
  }

  /** MOVBE. */
  static final class MoveSwapped extends Op {
    private final Place to;
    private final Place from;
    private final int sh;

    MoveSwapped(Insn insn, Place to, Place from) {
      super(insn);
      this.to = to;
      this.from = from;
      this.sh = 64 - 8 * to.size();
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, Long.reverseBytes(from.load(c) << sh));
    }
  }

  /**
   * CMOVcc: reads its source, and clears the upper half of a 32-bit destination, whether or not the
   * condition holds.
   */
  static final class Conditional extends Op {
    private final int code;
    private final Place to;
    private final Place from;

    Conditional(Insn insn) {
      super(insn);
      code = insn.op() & 15;
      to = Place.reg(insn, insn.size);
      from = Place.rm(insn, insn.size);
    }

    @Override
    public void execute(Cpu c) {
      long value = from.load(c);
      to.store(c, c.condition(code) ? value : to.load(c));
    }
  }

  /** SETcc. */
  static final class SetByte extends Op {
    private final int code;
    private final Place to;

    SetByte(Insn insn) {
      super(insn);
      code = insn.op() & 15;
      to = Place.rm(insn, 1);
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, c.condition(code) ? 1 : 0);
    }
  }

  /** CBW, CWDE, CDQE. */
  static final class WidenA extends Op {
    private final int size;

    WidenA(Insn insn) {
      super(insn);
      size = insn.size;
    }

    @Override
    public void execute(Cpu c) {
      int sh = 64 - 4 * size;
      Registers.set(c.r, CpuState.RAX, size, c.r[CpuState.RAX] << sh >> sh);
    }
  }

  /** CWD, CDQ, CQO. */
  static final class WidenAToD extends Op {
    private final int size;

    WidenAToD(Insn insn) {
      super(insn);
      size = insn.size;
    }

    @Override
    public void execute(Cpu c) {
      Registers.set(c.r, CpuState.RDX, size, c.r[CpuState.RAX] << 64 - 8 * size >> 63);
    }
  }

  /** XLAT. */
  static final class Translate extends Op {
    private final int segment;
    private final long mask;

    Translate(Insn insn) {
      super(insn);
      segment = insn.segmentBase();
      mask = insn.addressSize ? 0xFFFFFFFFL : -1;
    }

    @Override
    public void execute(Cpu c) {
      long[] r = c.r;
      long offset = r[CpuState.RBX] + (r[CpuState.RAX] & 0xFF) & mask;
      Registers.set(r, CpuState.RAX, 1, c.mem.loadByte(offset + r[segment]));
    }
  }
}
