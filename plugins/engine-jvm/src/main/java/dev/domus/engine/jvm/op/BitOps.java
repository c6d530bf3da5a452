package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.kernel.engine.CpuState;

/** Single bits, bit scans and counts, double shifts. */
final class BitOps {
  /** BT, BTS, BTR, BTC: what becomes of the bit. */
  static final int TEST = 0, SET = 1, RESET = 2, COMPLEMENT = 3;

  private BitOps() {}

  /**
   * BT and its relatives. With a bit offset in a register and the string in memory, the offset is
   * signed and reaches beyond the operand (Intel SDM vol. 2, BT); otherwise it is taken modulo the
   * operand size.
   */
  static final class Bit extends Op implements Lockable {
    private final int action;
    private final Place string;
    private final Place offset;
    private final boolean reaches;
    private final boolean locked;

    Bit(Insn insn, int action, Place string, Place offset, boolean immediate) {
      super(insn);
      this.action = action;
      this.string = string;
      this.offset = offset;
      this.reaches = string.isMemory() && !immediate;
      this.locked = insn.lock;
    }

    @Override
    public boolean mayBeLocked() {
      return string.isMemory() && action != TEST;
    }

    @Override
    public void execute(Cpu c) {
      int size = string.size();
      int bits = 8 * size;
      long by = offset.load(c);
      long mask = 1L << (by & bits - 1);
      if (!string.isMemory()) {
        long value = string.load(c);
        if (action != TEST) {
          string.store(c, act(value, mask));
        }
        c.setCarry((value & mask) != 0 ? 1 : 0);
        return;
      }
      long va = string.address(c);
      if (reaches) {
        int sh = 64 - bits;
        va += (by << sh >> sh >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
      }
      long value;
      if (action == TEST) {
        value = c.mem.load(va, size);
      } else if (locked) {
        Binary update = action == SET ? Bit::set : action == RESET ? Bit::reset : Bit::complement;
        value = BinaryOps.lockedUpdate(c, va, size, 0, update, mask);
      } else {
        value = c.mem.loadForWrite(va, size);
        c.mem.store(va, act(value, mask), size);
      }
      c.setCarry((value & mask) != 0 ? 1 : 0);
    }

    private long act(long value, long mask) {
      return action == SET ? value | mask : action == RESET ? value & ~mask : value ^ mask;
    }

    private static long set(Cpu c, int sh, long a, long mask) {
      return a | mask;
    }

    private static long reset(Cpu c, int sh, long a, long mask) {
      return a & ~mask;
    }

    private static long complement(Cpu c, int sh, long a, long mask) {
      return a ^ mask;
    }
  }

  /** BSF and BSR: a zero source sets ZF and leaves the destination alone. */
  static final class Scan extends Op {
    private final boolean reverse;
    private final Place to;
    private final Place from;

    Scan(Insn insn) {
      super(insn);
      reverse = insn.op() == 0xBD;
      to = Place.reg(insn, insn.size);
      from = Place.rm(insn, insn.size);
    }

    @Override
    public void execute(Cpu c) {
      long value = from.load(c);
      if (value == 0) {
        c.setStatus(CpuState.ZF, CpuState.ZF);
        return;
      }
      to.store(
          c, reverse ? 63 - Long.numberOfLeadingZeros(value) : Long.numberOfTrailingZeros(value));
      c.setStatus(0, CpuState.ZF);
    }
  }

  /** TZCNT and LZCNT. */
  static final class Count extends Op {
    private final boolean leading;
    private final Place to;
    private final Place from;

    Count(Insn insn) {
      super(insn);
      leading = insn.op() == 0xBD;
      to = Place.reg(insn, insn.size);
      from = Place.rm(insn, insn.size);
    }

    @Override
    public void execute(Cpu c) {
      int bits = 8 * from.size();
      long value = from.load(c);
      long count =
          leading
              ? Long.numberOfLeadingZeros(value) - (64 - bits)
              : Math.min(bits, Long.numberOfTrailingZeros(value));
      to.store(c, count);
      c.setStatus(
          (count == 0 ? CpuState.ZF : 0) | (count == bits ? CpuState.CF : 0),
          CpuState.ZF | CpuState.CF);
    }
  }

  /** POPCNT. */
  static final class Population extends Op {
    private final Place to;
    private final Place from;

    Population(Insn insn) {
      super(insn);
      to = Place.reg(insn, insn.size);
      from = Place.rm(insn, insn.size);
    }

    @Override
    public void execute(Cpu c) {
      long value = from.load(c);
      to.store(c, Long.bitCount(value));
      c.setStatus(value == 0 ? CpuState.ZF : 0);
    }
  }

  /** SHLD and SHRD. */
  static final class DoubleShift extends Op {
    private final boolean right;
    private final Place to;
    private final Place from;
    private final Place by;
    private final int sh;

    DoubleShift(Insn insn, Place by) {
      super(insn);
      right = insn.op() >= 0xAC;
      to = Place.rm(insn, insn.size);
      from = Place.reg(insn, insn.size);
      this.by = by;
      sh = 64 - 8 * insn.size;
    }

    @Override
    public void execute(Cpu c) {
      long n = by.load(c);
      long b = from.load(c);
      if (to.isMemory()) {
        long va = to.address(c);
        long a = c.mem.loadForWrite(va, to.size());
        c.mem.store(va, shift(c, a, b, n), to.size());
      } else {
        to.store(c, shift(c, to.load(c), b, n));
      }
    }

    private long shift(Cpu c, long a, long b, long n) {
      return right ? Shifts.shrd(c, sh, a, b, n) : Shifts.shld(c, sh, a, b, n);
    }
  }

  /** CRC32 (SSE4.2): the Castagnoli polynomial, bit-reflected. */
  static final class Crc32 extends Op {
    private static final int POLYNOMIAL = 0x82F63B78;
    private final int register;
    private final boolean wide;
    private final Place from;

    Crc32(Insn insn) {
      super(insn);
      register = insn.reg;
      wide = insn.wide();
      from = Place.rm(insn, insn.op() == 0xF0 ? 1 : insn.size);
    }

    @Override
    public void execute(Cpu c) {
      long data = from.load(c);
      int crc = (int) c.r[register];
      for (int n = 0; n < from.size(); n++) {
        crc ^= (int) (data >>> 8 * n) & 0xFF;
        for (int bit = 0; bit < 8; bit++) {
          crc = crc >>> 1 ^ POLYNOMIAL & -(crc & 1);
        }
      }
      Registers.set(c.r, register, wide ? 8 : 4, crc & 0xFFFFFFFFL);
    }
  }

  /** ADCX and ADOX: additions with a carry chain in one flag, the others untouched. */
  static final class AddWithChain extends Op {
    private final boolean overflowChain;
    private final Place to;
    private final Place from;

    AddWithChain(Insn insn) {
      super(insn);
      overflowChain = insn.repeat == 0xF3;
      int size = insn.wide() ? 8 : 4;
      to = Place.reg(insn, size);
      from = Place.rm(insn, size);
    }

    @Override
    public void execute(Cpu c) {
      long a = to.load(c);
      long b = from.load(c);
      long in = overflowChain ? (c.overflow() ? 1 : 0) : c.carry();
      long sum = a + b + in;
      long out = to.size() == 4 ? sum >>> 32 : (a & b | (a | b) & ~sum) >>> 63;
      to.store(c, sum);
      if (overflowChain) {
        c.setStatus(out << 11, CpuState.OF);
      } else {
        c.setCarry(out);
      }
    }
  }
}
