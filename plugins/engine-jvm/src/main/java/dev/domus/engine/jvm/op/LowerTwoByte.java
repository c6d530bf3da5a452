package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.kernel.engine.CpuState;

/**
 * Two-byte opcodes, 0F xx (Intel SDM vol. 2, table A-3); those of SSE and MMX are {@link
 * SseLowering}'s.
 */
final class LowerTwoByte {
  private LowerTwoByte() {}

  static Op lower(Insn insn) {
    int op = insn.op();
    return switch (op >> 4) {
      case 0 -> row0(insn);
      case 1 -> op >= 0x18 ? new SystemOps.Nothing(insn) : SseLowering.lower(insn);
      case 2 -> op < 0x24 ? moveSpecial(insn) : SseLowering.lower(insn);
      case 3 -> row3(insn);
      case 4 -> new MoveOps.Conditional(insn);
      case 8 -> LowerOneByte.branch(insn);
      case 9 -> new MoveOps.SetByte(insn);
      case 0xA -> rowA(insn);
      case 0xB -> rowB(insn);
      case 0xC -> rowC(insn);
      case 0xF -> op == 0xFF ? null : SseLowering.lower(insn);
      default -> SseLowering.lower(insn);
    };
  }

  private static Op row0(Insn insn) {
    return switch (insn.op()) {
      case 0x00 ->
          switch (insn.digit()) {
            case 0, 1 -> new SystemOps.StoreSystem(insn);
            case 2, 3 -> Lowering.privileged(insn);
            case 4, 5 -> new SegmentOps.Verify(insn);
            default -> null;
          };
      case 0x01 -> group7(insn);
      case 0x02, 0x03 -> new SegmentOps.Inspect(insn);
      case 0x05 -> new SystemOps.SystemCall(insn);
      case 0x06, 0x07, 0x08, 0x09 -> Lowering.privileged(insn);
      case 0x0D -> insn.memory ? new SystemOps.Nothing(insn) : null;
      default -> null;
    };
  }

  private static Op group7(Insn insn) {
    if (insn.memory) {
      return switch (insn.digit()) {
        case 0, 1 -> new SystemOps.StoreTable(insn);
        case 4 -> new SystemOps.StoreSystem(insn);
        case 2, 3, 6, 7 -> Lowering.privileged(insn);
        default -> null;
      };
    }
    return switch (insn.modRm) {
      case 0xD0 -> new SystemOps.GetXcr(insn);
      case 0xD1 -> new SystemOps.SetXcr(insn);
      case 0xF8 -> Lowering.privileged(insn);
      case 0xF9 -> new SystemOps.ReadTimeStamp(insn, true);
      default ->
          switch (insn.digit()) {
            case 4 -> new SystemOps.StoreSystem(insn);
            case 6 -> Lowering.privileged(insn);
            default -> null;
          };
    };
  }

  /** MOV to and from control and debug registers: those that exist are #GP at CPL 3. */
  private static Op moveSpecial(Insn insn) {
    boolean control = (insn.op() & 1) == 0;
    boolean exists = control ? (1 << insn.reg & 0b1_0001_1101) != 0 : insn.reg < 8;
    return exists ? Lowering.privileged(insn) : null;
  }

  private static Op row3(Insn insn) {
    return switch (insn.op()) {
      case 0x31 -> new SystemOps.ReadTimeStamp(insn, false);
      case 0x30, 0x32, 0x33 -> Lowering.privileged(insn);
      default -> null; // SYSENTER and SYSEXIT do not exist in long mode on AMD's processors
    };
  }

  private static Op rowA(Insn insn) {
    return switch (insn.op()) {
      case 0xA0 -> new StackOps.PushSegment(insn, Segments.FS);
      case 0xA1 -> new StackOps.PopSegment(insn, Segments.FS);
      case 0xA2 -> new SystemOps.CpuId(insn);
      case 0xA3 -> bit(insn, BitOps.TEST);
      case 0xA4, 0xAC -> new BitOps.DoubleShift(insn, Place.immediate(insn.imm, 1));
      case 0xA5, 0xAD -> new BitOps.DoubleShift(insn, Place.register(CpuState.RCX, 1));
      case 0xA8 -> new StackOps.PushSegment(insn, Segments.GS);
      case 0xA9 -> new StackOps.PopSegment(insn, Segments.GS);
      case 0xAB -> bit(insn, BitOps.SET);
      case 0xAE -> group15(insn);
      case 0xAF ->
          !insn.memory && insn.size == 8
              ? new MultiplyOps.Truncating64(insn)
              : new MultiplyOps.Truncating(
                  insn,
                  Place.reg(insn, insn.size),
                  Place.reg(insn, insn.size),
                  Place.rm(insn, insn.size));
      default -> null;
    };
  }

  private static Op bit(Insn insn, int action) {
    return new BitOps.Bit(
        insn, action, Place.rm(insn, insn.size), Place.reg(insn, insn.size), false);
  }

  private static Op group15(Insn insn) {
    if (insn.memory) {
      return switch (insn.digit()) {
        case 0, 1, 2, 3 ->
            insn.mandatory() == 0 || insn.mandatory() == 0x66 ? FpuLowering.state(insn) : null;
        case 6 -> insn.mandatory() == 0x66 ? new SystemOps.FlushLine(insn) : null; // CLWB
        case 7 -> insn.repeat == 0 ? new SystemOps.FlushLine(insn) : null;
        default -> null; // XSAVE and its kind are not offered
      };
    }
    if (insn.repeat == 0xF3) {
      return insn.digit() < 4 ? new SystemOps.SegmentBase(insn) : null;
    }
    return insn.mandatory() == 0 && insn.digit() >= 5 ? new SystemOps.Fence(insn) : null;
  }

  private static Op rowB(Insn insn) {
    int size = (insn.op() & 1) == 0 ? 1 : insn.size;
    return switch (insn.op()) {
      case 0xB0, 0xB1 ->
          new MoveOps.CompareExchange(insn, Place.rm(insn, size), Place.reg(insn, size));
      case 0xB2 -> loadFar(insn, Segments.SS);
      case 0xB3 -> bit(insn, BitOps.RESET);
      case 0xB4 -> loadFar(insn, Segments.FS);
      case 0xB5 -> loadFar(insn, Segments.GS);
      case 0xB6, 0xB7 -> zeroExtend(insn);
      case 0xB8 -> insn.repeat == 0xF3 ? new BitOps.Population(insn) : null;
      case 0xBA ->
          insn.digit() < 4
              ? null
              : new BitOps.Bit(
                  insn,
                  insn.digit() & 3,
                  Place.rm(insn, insn.size),
                  Place.immediate(insn.imm & 0xFF, 1),
                  true);
      case 0xBB -> bit(insn, BitOps.COMPLEMENT);
      case 0xBC, 0xBD -> insn.repeat == 0xF3 ? new BitOps.Count(insn) : new BitOps.Scan(insn);
      case 0xBE -> new MoveOps.SignExtend(insn, Place.reg(insn, insn.size), Place.rm(insn, 1));
      case 0xBF -> new MoveOps.SignExtend(insn, Place.reg(insn, insn.size), Place.rm(insn, 2));
      default -> null; // UD1
    };
  }

  private static Op loadFar(Insn insn, int segment) {
    return insn.memory ? new SegmentOps.LoadFar(insn, segment) : null;
  }

  private static Op zeroExtend(Insn insn) {
    boolean word = insn.op() == 0xB7;
    if (insn.size >= 4) {
      if (insn.memory) {
        return word ? new FastMoves.LoadZero16(insn) : new FastMoves.LoadZero8(insn);
      }
      int from = Registers.number(insn, insn.rm, word ? 2 : 1);
      if (from < Registers.HIGH) {
        return new FastMoves.Masked(insn, insn.reg, from, word ? 0xFFFF : 0xFF);
      }
    }
    return new MoveOps.Move(insn, Place.reg(insn, insn.size), Place.rm(insn, word ? 2 : 1));
  }

  private static Op rowC(Insn insn) {
    int size = (insn.op() & 1) == 0 ? 1 : insn.size;
    return switch (insn.op()) {
      case 0xC0, 0xC1 -> new MoveOps.ExchangeAdd(insn, Place.rm(insn, size), Place.reg(insn, size));
      case 0xC3 ->
          insn.memory && insn.mandatory() == 0
              ? new MoveOps.Move(insn, Place.rm(insn, insn.size), Place.reg(insn, insn.size))
              : null; // MOVNTI
      case 0xC7 -> group9(insn);
      case 0xC2, 0xC4, 0xC5, 0xC6 -> SseLowering.lower(insn);
      default -> new MoveOps.ByteSwap(insn);
    };
  }

  private static Op group9(Insn insn) {
    if (insn.memory) {
      return insn.digit() == 1 ? new MoveOps.CompareExchangePair(insn) : null;
    }
    return insn.digit() == 7 && insn.repeat == 0xF3 ? new SystemOps.ReadProcessorId(insn) : null;
  }
}
