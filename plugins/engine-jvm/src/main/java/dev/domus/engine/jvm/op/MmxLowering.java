package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.op.PackedInteger.Half;
import dev.domus.kernel.engine.FpuState;
import java.util.function.Consumer;
import java.util.function.LongUnaryOperator;

/**
 * MMX (Intel SDM vol. 1, chapter 9): the packed integer operations on the significands of the x87
 * registers. Every MMX instruction but EMMS marks all registers as in use, sets TOP to 0 and the
 * exponent of what it writes to all ones.
 */
final class MmxLowering {
  private static final int ALL_IN_USE = 0xFF;
  private static final int TOP = 7 << 11;

  private MmxLowering() {}

  static Op lower(Insn insn, int op) {
    Half half = SseLowering.lanewise(op);
    if (half != null) {
      return new Compute(insn, half);
    }
    int imm = (int) insn.imm & 0xFF;
    int bits = 8 << (op & 3);
    return switch (op) {
      case 0x60, 0x61, 0x62 -> new Compute(insn, (a, b) -> PackedInteger.unpackLow(bits, a, b));
      case 0x68, 0x69, 0x6A -> new Compute(insn, (a, b) -> PackedInteger.unpackHigh(bits, a, b));
      case 0x63, 0x67, 0x6B ->
          new Compute(
              insn,
              (a, b) -> {
                int from = op == 0x6B ? 32 : 16;
                return PackedInteger.pack(from, op == 0x67, a)
                    | PackedInteger.pack(from, op == 0x67, b) << 32;
              });
      case 0x6E -> new Move(insn, Place.rm(insn, insn.wide() ? 8 : 4), false);
      case 0x7E -> new Move(insn, Place.rm(insn, insn.wide() ? 8 : 4), true);
      case 0x6F ->
          insn.memory ? new Move(insn, Place.rm(insn, 8), false) : new Compute(insn, (a, b) -> b);
      case 0x7F -> insn.memory ? new Move(insn, Place.rm(insn, 8), true) : new Registers2(insn);
      case 0xE7 -> insn.memory ? new Move(insn, Place.rm(insn, 8), true) : null;
      case 0x70 -> new Compute(insn, (a, b) -> PackedInteger.shuffleWords(b, imm));
      case 0x71, 0x72, 0x73 -> shiftGroup(insn, op, imm);
      case 0xD1, 0xD2, 0xD3 -> new Compute(insn, (a, b) -> PackedInteger.shiftRight(bits, a, b));
      case 0xE1, 0xE2 -> new Compute(insn, (a, b) -> PackedInteger.shiftRightSigned(bits, a, b));
      case 0xF1, 0xF2, 0xF3 -> new Compute(insn, (a, b) -> PackedInteger.shiftLeft(bits, a, b));
      case 0xC4 -> new InsertWord(insn);
      case 0xC5 -> insn.memory ? null : new ToGeneral(insn, a -> a >>> 16 * (imm & 3) & 0xFFFF);
      case 0xD7 -> insn.memory ? null : new ToGeneral(insn, PackedInteger::moveMask);
      case 0x77 -> new Empty(insn);
      default -> null;
    };
  }

  private static Op shiftGroup(Insn insn, int op, int imm) {
    int kind = insn.digit();
    int bits = 8 << (op & 3);
    boolean exists =
        kind == SseLowering.SHIFT_RIGHT
            || kind == SseLowering.SHIFT_LEFT
            || kind == SseLowering.SHIFT_SIGNED && op != 0x73;
    insn.reg = insn.rm;
    return insn.memory || !exists
        ? null
        : new Compute(insn, (a, b) -> SseLowering.shiftHalf(kind, bits, a, imm));
  }

  /** CVTPI2PS, CVTPI2PD. */
  static Op toFloat(Insn insn, int prefix) {
    Place memory = insn.memory ? Place.rm(insn, 8) : null;
    return new Convert(
        insn,
        c -> {
          long value = memory != null ? memory.load(c) : begin(c).significand[insn.rm & 7];
          long[] x = c.state.fpu.xmm;
          int d = 2 * insn.reg;
          if (prefix == 0) {
            x[d] = SseLowering.dwordsToSingles(value);
          } else {
            x[d] = Double.doubleToRawLongBits((int) value);
            x[d + 1] = Double.doubleToRawLongBits((int) (value >>> 32));
          }
        });
  }

  /** CVTPS2PI, CVTTPS2PI, CVTPD2PI, CVTTPD2PI. */
  static Op fromFloat(Insn insn, int prefix, boolean truncate) {
    SseOps.Source source = new SseOps.Source(insn, prefix == 0 ? 8 : 16, prefix != 0);
    return new Convert(
        insn,
        c -> {
          long[] x = c.state.fpu.xmm;
          long va = source.isMemory() ? source.address(c) : 0;
          long low = source.isMemory() ? source.low(c, va) : x[source.register()];
          long high = source.isMemory() ? source.high(c, va) : x[source.register() + 1];
          write(
              begin(c),
              insn.reg & 7,
              prefix == 0
                  ? SseLowering.singlesToDwords(c, low, truncate)
                  : SseLowering.doublesToDwords(c, low, high, truncate));
        });
  }

  /** MOVQ2DQ. */
  static Op toXmm(Insn insn) {
    return insn.memory
        ? null
        : new Convert(
            insn,
            c -> {
              c.state.fpu.xmm[2 * insn.reg] = begin(c).significand[insn.rm & 7];
              c.state.fpu.xmm[2 * insn.reg + 1] = 0;
            });
  }

  /** MOVDQ2Q. */
  static Op fromXmm(Insn insn) {
    return insn.memory
        ? null
        : new Convert(insn, c -> write(begin(c), insn.reg & 7, c.state.fpu.xmm[2 * insn.rm]));
  }

  /** To be called once nothing can fault any more. */
  private static FpuState begin(Cpu c) {
    FpuState f = c.state.fpu;
    f.ftw = ALL_IN_USE;
    f.fsw &= ~TOP;
    return f;
  }

  private static void write(FpuState f, int register, long value) {
    f.significand[register] = value;
    f.signExponent[register] = 0xFFFF;
  }

  private static long load(Cpu c, Insn insn, Address address) {
    return address == null ? c.state.fpu.significand[insn.rm & 7] : c.mem.loadQword(address.of(c));
  }

  /** MMX register and MMX register or memory. */
  private static final class Compute extends Op {
    private final Insn insn;
    private final Address address;
    private final Half operation;

    Compute(Insn insn, Half operation) {
      super(insn);
      this.insn = insn;
      this.address = insn.memory ? new Address(insn) : null;
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      long b = load(c, insn, address);
      FpuState f = begin(c);
      int to = insn.reg & 7;
      write(f, to, operation.apply(f.significand[to], b));
    }
  }

  /** MOVD and MOVQ between MMX registers and general registers or memory. */
  private static final class Move extends Op {
    private final int register;
    private final Place other;
    private final boolean store;

    Move(Insn insn, Place other, boolean store) {
      super(insn);
      this.register = insn.reg & 7;
      this.other = other;
      this.store = store;
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      if (store) {
        other.store(c, c.state.fpu.significand[register]);
        begin(c);
      } else {
        long value = other.load(c);
        write(begin(c), register, value);
      }
    }
  }

  /** MOVQ mm/m64, mm between registers. */
  private static final class Registers2 extends Op {
    private final int to;
    private final int from;

    Registers2(Insn insn) {
      super(insn);
      to = insn.rm & 7;
      from = insn.reg & 7;
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      FpuState f = begin(c);
      write(f, to, f.significand[from]);
    }
  }

  /** PINSRW. */
  private static final class InsertWord extends Op {
    private final int register;
    private final int at;
    private final Place from;

    InsertWord(Insn insn) {
      super(insn);
      register = insn.reg & 7;
      at = 16 * ((int) insn.imm & 3);
      from = Place.rm(insn, insn.memory ? 2 : 4);
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      long value = from.load(c) & 0xFFFF;
      FpuState f = begin(c);
      write(f, register, f.significand[register] & ~(0xFFFFL << at) | value << at);
    }
  }

  /** PMOVMSKB, PEXTRW. */
  private static final class ToGeneral extends Op {
    private final Insn insn;
    private final LongUnaryOperator operation;

    ToGeneral(Insn insn, LongUnaryOperator operation) {
      super(insn);
      this.insn = insn;
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      c.r[insn.reg] = operation.applyAsLong(begin(c).significand[insn.rm & 7]);
    }
  }

  /** Conversions between the register files. */
  private static final class Convert extends Op {
    private final Consumer<Cpu> operation;

    Convert(Insn insn, Consumer<Cpu> operation) {
      super(insn);
      this.operation = operation;
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      operation.accept(c);
    }
  }

  /** EMMS. */
  private static final class Empty extends Op {
    Empty(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      c.state.fpu.ftw = 0;
      c.state.fpu.fsw &= ~TOP;
    }
  }
}
