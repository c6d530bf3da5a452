package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.CpuState;

/** One-byte opcodes (Intel SDM vol. 2, table A-2). */
final class LowerOneByte {
  private static final int CMP = 7;

  private LowerOneByte() {}

  static Op lower(Insn insn) {
    int op = insn.opcode;
    if (op < 0x40) {
      return arithmetic(insn);
    }
    return switch (op >> 4) {
      case 5 -> (op & 8) == 0 ? push(insn) : pop(insn);
      case 6 -> row6(insn);
      case 7 -> branch(insn);
      case 8 -> row8(insn);
      case 9 -> row9(insn);
      case 0xA -> rowA(insn);
      case 0xB ->
          (op & 8) == 0
              ? new MoveOps.Move(
                  insn,
                  Place.register(Registers.number(insn, insn.rm, 1), 1),
                  Place.immediate(insn.imm, 1))
              : constant(insn, insn.rm);
      case 0xC -> rowC(insn);
      case 0xD -> rowD(insn);
      case 0xE -> rowE(insn);
      default -> rowF(insn);
    };
  }

  private static int operandSize(Insn insn) {
    return (insn.opcode & 1) == 0 ? 1 : insn.size;
  }

  private static Op push(Insn insn) {
    return StackOps.size(insn) == 8
        ? new StackOps.Push64(insn, insn.rm)
        : new StackOps.Push(insn, Place.register(insn.rm, 2));
  }

  private static Op pop(Insn insn) {
    return StackOps.size(insn) == 8
        ? new StackOps.Pop64(insn, insn.rm)
        : new StackOps.Pop(insn, Place.register(insn.rm, 2));
  }

  private static Op constant(Insn insn, int register) {
    return switch (insn.size) {
      case 8 -> new FastMoves.Constant(insn, register, insn.imm);
      case 4 -> new FastMoves.Constant(insn, register, insn.imm & 0xFFFFFFFFL);
      default -> new MoveOps.Move(insn, Place.register(register, 2), Place.immediate(insn.imm, 2));
    };
  }

  /** 00 to 3F: operation in bits 5 to 3, form in bits 2 to 0. */
  private static Op arithmetic(Insn insn) {
    int operation = insn.opcode >> 3;
    int form = insn.opcode & 7;
    int size = operandSize(insn);
    boolean fast = size >= 4 && !insn.lock;
    Binary binary = BinaryOps.GROUP[operation];
    switch (form) {
      case 0, 1 -> {
        if (!insn.memory && fast) {
          return FastAlu.registerRegister(insn, operation, size, insn.rm, insn.reg);
        }
        if (operation == CMP && fast) {
          return size == 4 ? new FastAluMemory.CmpMR32(insn) : new FastAluMemory.CmpMR64(insn);
        }
        Place rm = Place.rm(insn, size);
        Place reg = Place.reg(insn, size);
        if (operation == CMP && size == 1 && bothLow(insn)) {
          return new FastAlu.CmpRR8(insn, insn.rm, insn.reg);
        }
        return operation == CMP
            ? new BinaryOps.Compare(insn, binary, rm, reg)
            : new BinaryOps.Update(insn, binary, rm, reg, true);
      }
      case 2, 3 -> {
        if (fast) {
          return insn.memory
              ? FastAluMemory.registerMemory(insn, operation, size)
              : FastAlu.registerRegister(insn, operation, size, insn.reg, insn.rm);
        }
        Place rm = Place.rm(insn, size);
        Place reg = Place.reg(insn, size);
        return operation == CMP
            ? new BinaryOps.Compare(insn, binary, reg, rm)
            : new BinaryOps.Update(insn, binary, reg, rm, false);
      }
      default -> {
        if (fast) {
          return FastAlu.registerImmediate(insn, operation, size, CpuState.RAX);
        }
        Place a = Place.register(CpuState.RAX, size);
        Place imm = Place.immediate(insn.imm, size);
        return operation == CMP
            ? new BinaryOps.Compare(insn, binary, a, imm)
            : new BinaryOps.Update(insn, binary, a, imm, false);
      }
    }
  }

  private static boolean bothLow(Insn insn) {
    return !insn.memory
        && Registers.number(insn, insn.rm, 1) < Registers.HIGH
        && Registers.number(insn, insn.reg, 1) < Registers.HIGH;
  }

  private static boolean lowRm(Insn insn) {
    return !insn.memory && Registers.number(insn, insn.rm, 1) < Registers.HIGH;
  }

  private static Op row6(Insn insn) {
    return switch (insn.opcode) {
      case 0x63 -> movsxd(insn);
      case 0x68, 0x6A -> new StackOps.Push(insn, Place.immediate(insn.imm, 8));
      case 0x69, 0x6B ->
          new MultiplyOps.Truncating(
              insn,
              Place.reg(insn, insn.size),
              Place.rm(insn, insn.size),
              Place.immediate(insn.imm, insn.size));
      case 0x6C, 0x6D, 0x6E, 0x6F -> Lowering.privileged(insn);
      default -> null;
    };
  }

  private static Op movsxd(Insn insn) {
    if (insn.size == 8) {
      return insn.memory
          ? new FastMoves.LoadSign32(insn)
          : new FastMoves.SignExtended(insn, insn.reg, insn.rm);
    }
    return new MoveOps.Move(insn, Place.reg(insn, insn.size), Place.rm(insn, insn.size));
  }

  /** Near branches with a displacement; truncated ones apart. */
  static Op branch(Insn insn) {
    if (insn.operandSize && !insn.wide()) {
      return new BranchOps.Truncated(insn);
    }
    int op = insn.op();
    return switch (op & 15) {
      case 2, 3 -> new BranchOps.JumpIfCarry(insn);
      case 4, 5 -> new BranchOps.JumpIfZero(insn);
      default -> new BranchOps.JumpIf(insn);
    };
  }

  private static Op row8(Insn insn) {
    int size = operandSize(insn);
    return switch (insn.opcode) {
      case 0x80, 0x81, 0x83 -> group1(insn, size);
      case 0x84, 0x85 -> test(insn, size);
      case 0x86, 0x87 -> new MoveOps.Exchange(insn, Place.rm(insn, size), Place.reg(insn, size));
      case 0x88, 0x89 -> store(insn, size);
      case 0x8A, 0x8B -> load(insn, size);
      case 0x8C -> insn.digit() > 5 ? null : new SegmentOps.Store(insn);
      case 0x8D ->
          !insn.memory
              ? null
              : switch (insn.size) {
                case 8 -> new FastMoves.Lea64(insn);
                case 4 -> new FastMoves.Lea32(insn);
                default -> new MoveOps.Lea(insn, Place.reg(insn, 2));
              };
      case 0x8E ->
          switch (insn.digit()) {
            case Segments.CS, 6, 7 -> null;
            case Segments.SS -> new SegmentOps.LoadStack(insn);
            default -> new SegmentOps.Load(insn);
          };
      case 0x8F ->
          insn.digit() != 0 ? null : new StackOps.Pop(insn, Place.rm(insn, StackOps.size(insn)));
      default -> null;
    };
  }

  private static Op group1(Insn insn, int size) {
    int operation = insn.digit();
    if (size >= 4 && !insn.lock) {
      if (!insn.memory) {
        return FastAlu.registerImmediate(insn, operation, size, insn.rm);
      }
      if (operation == CMP) {
        return size == 4 ? new FastAluMemory.CmpMI32(insn) : new FastAluMemory.CmpMI64(insn);
      }
    }
    if (operation == CMP && size == 1 && !insn.lock) {
      if (insn.memory) {
        return new FastAluMemory.CmpMI8(insn);
      }
      if (lowRm(insn)) {
        return new FastAlu.CmpRI8(insn, insn.rm);
      }
    }
    Place rm = Place.rm(insn, size);
    Place imm = Place.immediate(insn.imm, size);
    return operation == CMP
        ? new BinaryOps.Compare(insn, BinaryOps.GROUP[CMP], rm, imm)
        : new BinaryOps.Update(insn, BinaryOps.GROUP[operation], rm, imm, true);
  }

  private static Op test(Insn insn, int size) {
    if (!insn.memory) {
      switch (size) {
        case 8 -> {
          return new FastAlu.TestRR64(insn, insn.rm, insn.reg);
        }
        case 4 -> {
          return new FastAlu.TestRR32(insn, insn.rm, insn.reg);
        }
        case 1 -> {
          if (bothLow(insn)) {
            return new FastAlu.TestRR8(insn, insn.rm, insn.reg);
          }
        }
        default -> {}
      }
    }
    return new BinaryOps.Compare(
        insn, Arithmetic::and, Place.rm(insn, size), Place.reg(insn, size));
  }

  private static Op store(Insn insn, int size) {
    if (insn.memory) {
      switch (size) {
        case 8 -> {
          return new FastMoves.Store64(insn);
        }
        case 4 -> {
          return new FastMoves.Store32(insn);
        }
        case 1 -> {
          if (Registers.number(insn, insn.reg, 1) < Registers.HIGH) {
            return new FastMoves.Store8(insn);
          }
        }
        default -> {}
      }
    } else if (size >= 4) {
      return size == 8
          ? new FastMoves.Register64(insn, insn.rm, insn.reg)
          : new FastMoves.Register32(insn, insn.rm, insn.reg);
    }
    return new MoveOps.Move(insn, Place.rm(insn, size), Place.reg(insn, size));
  }

  private static Op load(Insn insn, int size) {
    if (size >= 4) {
      if (insn.memory) {
        return size == 8 ? new FastMoves.Load64(insn) : new FastMoves.Load32(insn);
      }
      return size == 8
          ? new FastMoves.Register64(insn, insn.reg, insn.rm)
          : new FastMoves.Register32(insn, insn.reg, insn.rm);
    }
    return new MoveOps.Move(insn, Place.reg(insn, size), Place.rm(insn, size));
  }

  private static Op row9(Insn insn) {
    return switch (insn.opcode) {
      case 0x98 -> new MoveOps.WidenA(insn);
      case 0x99 -> new MoveOps.WidenAToD(insn);
      case 0x9B -> FpuLowering.wait(insn);
      case 0x9C -> new StackOps.PushFlags(insn);
      case 0x9D -> new StackOps.PopFlags(insn);
      case 0x9E, 0x9F -> new FlagOps.Simple(insn);
      case 0x90 -> {
        if (insn.repeat == 0xF3) {
          yield new SystemOps.Pause(insn);
        }
        yield insn.rm == 0 ? new SystemOps.Nothing(insn) : exchangeA(insn);
      }
      default -> insn.opcode < 0x98 ? exchangeA(insn) : null;
    };
  }

  private static Op exchangeA(Insn insn) {
    return new MoveOps.Exchange(
        insn, Place.register(insn.rm, insn.size), Place.register(CpuState.RAX, insn.size));
  }

  private static Op rowA(Insn insn) {
    int size = operandSize(insn);
    Place a = Place.register(CpuState.RAX, size);
    return switch (insn.opcode) {
      case 0xA0, 0xA1 -> new MoveOps.Move(insn, a, Place.rm(insn, size));
      case 0xA2, 0xA3 -> new MoveOps.Move(insn, Place.rm(insn, size), a);
      case 0xA8, 0xA9 ->
          new BinaryOps.Compare(insn, Arithmetic::and, a, Place.immediate(insn.imm, size));
      default -> new StringOp(insn);
    };
  }

  private static Op rowC(Insn insn) {
    int size = operandSize(insn);
    return switch (insn.opcode) {
      case 0xC0, 0xC1 -> shift(insn, Place.immediate(insn.imm & 0xFF, 1));
      case 0xC2, 0xC3 ->
          insn.operandSize && !insn.wide()
              ? new BranchOps.Truncated(insn)
              : new BranchOps.Return(insn);
      case 0xC6, 0xC7 -> {
        if (insn.digit() != 0) {
          yield null;
        }
        if (insn.memory) {
          yield new FastMoves.StoreConstant(insn, size);
        }
        yield size >= 4
            ? constant(insn, insn.rm)
            : new MoveOps.Move(insn, Place.rm(insn, size), Place.immediate(insn.imm, size));
      }
      case 0xC8 -> new StackOps.Enter(insn);
      case 0xC9 -> new StackOps.Leave(insn);
      case 0xCA, 0xCB -> new SegmentOps.FarReturn(insn);
      case 0xCC -> new SystemOps.Trap(insn, GuestFault.BP);
      case 0xCD -> new SystemOps.SoftwareInterrupt(insn);
      case 0xCF -> new SegmentOps.InterruptReturn(insn);
      default -> null;
    };
  }

  private static Op shift(Insn insn, Place by) {
    int size = operandSize(insn);
    int digit = insn.digit();
    if (!insn.memory && size >= 4 && by.register() < 0 && digit >= 4) {
      insn.imm = by.load(null);
      return switch (digit << 4 | size) {
        case 0x44, 0x64 -> new FastAlu.ShlRI32(insn, insn.rm);
        case 0x48, 0x68 -> new FastAlu.ShlRI64(insn, insn.rm);
        case 0x54 -> new FastAlu.ShrRI32(insn, insn.rm);
        case 0x58 -> new FastAlu.ShrRI64(insn, insn.rm);
        case 0x74 -> new FastAlu.SarRI32(insn, insn.rm);
        default -> new FastAlu.SarRI64(insn, insn.rm);
      };
    }
    return new BinaryOps.Update(insn, Shifts.GROUP[digit], Place.rm(insn, size), by, false);
  }

  private static Op rowD(Insn insn) {
    return switch (insn.opcode) {
      case 0xD0, 0xD1 -> shift(insn, Place.immediate(1, 1));
      case 0xD2, 0xD3 -> shift(insn, Place.register(CpuState.RCX, 1));
      case 0xD7 -> new MoveOps.Translate(insn);
      default -> FpuLowering.lower(insn);
    };
  }

  private static Op rowE(Insn insn) {
    boolean truncated = insn.operandSize && !insn.wide();
    return switch (insn.opcode) {
      case 0xE0, 0xE1, 0xE2, 0xE3 ->
          truncated ? new BranchOps.Truncated(insn) : new BranchOps.CountedJump(insn);
      case 0xE8 -> truncated ? new BranchOps.Truncated(insn) : new BranchOps.Call(insn);
      case 0xE9, 0xEB -> truncated ? new BranchOps.Truncated(insn) : new BranchOps.JumpTo(insn);
      case 0xEA -> null;
      default -> Lowering.privileged(insn); // IN and OUT
    };
  }

  private static Op rowF(Insn insn) {
    return switch (insn.opcode) {
      case 0xF1 -> new SystemOps.Trap(insn, GuestFault.DB);
      case 0xF4, 0xFA, 0xFB -> Lowering.privileged(insn);
      case 0xF5, 0xF8, 0xF9, 0xFC, 0xFD -> new FlagOps.Simple(insn);
      case 0xF6, 0xF7 -> group3(insn);
      case 0xFE, 0xFF -> group45(insn);
      default -> null;
    };
  }

  private static Op group3(Insn insn) {
    int size = operandSize(insn);
    boolean fast = !insn.memory && size >= 4;
    Place rm = Place.rm(insn, size);
    return switch (insn.digit()) {
      case 0, 1 -> {
        if (size == 1 && insn.memory) {
          yield new FastAluMemory.TestMI8(insn);
        }
        if (size == 1 && lowRm(insn)) {
          yield new FastAlu.TestRI8(insn, insn.rm);
        }
        if (fast) {
          yield size == 4
              ? new FastAlu.TestRI32(insn, insn.rm)
              : new FastAlu.TestRI64(insn, insn.rm);
        }
        yield new BinaryOps.Compare(insn, Arithmetic::and, rm, Place.immediate(insn.imm, size));
      }
      case 2 ->
          fast
              ? size == 4 ? new FastAlu.NotR32(insn, insn.rm) : new FastAlu.NotR64(insn, insn.rm)
              : unary(insn, Arithmetic::not, rm);
      case 3 ->
          fast
              ? size == 4 ? new FastAlu.NegR32(insn, insn.rm) : new FastAlu.NegR64(insn, insn.rm)
              : unary(insn, Arithmetic::neg, rm);
      case 4, 5 -> new MultiplyOps.Widening(insn, rm);
      case 6 -> new MultiplyOps.Divide(insn, rm);
      default -> new MultiplyOps.DivideSigned(insn, rm);
    };
  }

  private static Op unary(Insn insn, Binary operation, Place rm) {
    return new BinaryOps.Update(insn, operation, rm, Place.immediate(0, rm.size()), true);
  }

  private static Op group45(Insn insn) {
    int size = operandSize(insn);
    boolean fast = !insn.memory && size >= 4;
    boolean truncated = insn.operandSize && !insn.wide();
    switch (insn.digit()) {
      case 0 -> {
        return fast
            ? size == 4 ? new FastAlu.IncR32(insn, insn.rm) : new FastAlu.IncR64(insn, insn.rm)
            : unary(insn, Arithmetic::inc, Place.rm(insn, size));
      }
      case 1 -> {
        return fast
            ? size == 4 ? new FastAlu.DecR32(insn, insn.rm) : new FastAlu.DecR64(insn, insn.rm)
            : unary(insn, Arithmetic::dec, Place.rm(insn, size));
      }
      default -> {}
    }
    if (insn.opcode == 0xFE) {
      return null;
    }
    return switch (insn.digit()) {
      case 2 -> truncated ? new BranchOps.Truncated(insn) : new BranchOps.CallIndirect(insn);
      case 4 -> truncated ? new BranchOps.Truncated(insn) : new BranchOps.JumpIndirect(insn);
      case 3, 5 -> insn.memory ? new SegmentOps.FarTransfer(insn) : null;
      case 6 -> new StackOps.Push(insn, Place.rm(insn, StackOps.size(insn)));
      default -> null;
    };
  }
}
