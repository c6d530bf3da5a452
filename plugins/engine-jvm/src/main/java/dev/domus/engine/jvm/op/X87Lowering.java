package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.op.X87Op.Action;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.FpuState;

/**
 * x87 opcodes D8 to DF, by opcode, /digit and whether the operand is memory (Intel SDM vol. 2,
 * tables ).
 */
final class X87Lowering {
  private X87Lowering() {}

  static Op lower(Insn insn) {
    Action action = insn.memory ? memory(insn) : register(insn);
    return action == null ? null : new X87Op(insn, action);
  }

  // ---- memory operands ----

  private static Action memory(Insn insn) {
    int digit = insn.digit();
    return switch (insn.opcode) {
      case 0xD8 -> arithmetic(digit, (c, f, va) -> Extended.ofSingle(f, (int) c.mem.loadDword(va)));
      case 0xDC -> arithmetic(digit, (c, f, va) -> Extended.ofDouble(f, c.mem.loadQword(va)));
      case 0xDA -> arithmetic(digit, (c, f, va) -> Extended.ofLong((int) c.mem.loadDword(va)));
      case 0xDE -> arithmetic(digit, (c, f, va) -> Extended.ofLong((short) c.mem.loadWord(va)));
      case 0xD9 -> memoryD9(insn, digit);
      case 0xDB -> memoryDB(digit);
      case 0xDD -> memoryDD(insn, digit);
      default -> memoryDF(digit);
    };
  }

  /** Fetches a memory operand. */
  @FunctionalInterface
  private interface Fetch {
    Extended from(Cpu c, FpuState f, long va);
  }

  private static Action arithmetic(int digit, Fetch operand) {
    return switch (digit) {
      case 2 -> (c, f, va) -> compare(f, operand.from(c, f, va), true);
      case 3 ->
          (c, f, va) -> {
            compare(f, operand.from(c, f, va), true);
            X87.pop(f);
          };
      default ->
          (c, f, va) -> {
            if (X87.isEmpty(f, 0)) {
              operand.from(c, new FpuState(), va); // it may fault; but it is not looked at further
              X87.set(f, 0, X87.get(f, 0));
              return;
            }
            Extended b = operand.from(c, f, va);
            X87.set(f, 0, calculate(f, digit, X87.get(f, 0), b));
          };
    };
  }

  /**
   * ST(to) := ST(0) operation ST(from). An empty register gives the indefinite, whatever else there
   * is.
   */
  private static void calculate(FpuState f, int digit, int to, int from) {
    boolean underflow = X87.isEmpty(f, 0) || X87.isEmpty(f, from);
    Extended a = X87.get(f, 0);
    Extended b = X87.get(f, from);
    X87.set(f, to, underflow ? Extended.INDEFINITE : calculate(f, digit, a, b));
  }

  /**
   * The operations in the order of /digit: 0 add, 1 multiply, 4 subtract, 5 reversed, 6 divide, 7
   * reversed.
   */
  private static Extended calculate(FpuState f, int digit, Extended a, Extended b) {
    f.fsw &= ~X87.C1;
    return switch (digit) {
      case 0 -> Extended.add(f, a, b);
      case 1 -> Extended.multiply(f, a, b);
      case 4 -> Extended.subtract(f, a, b);
      case 5 -> Extended.subtract(f, b, a);
      case 6 -> Extended.divide(f, a, b);
      default -> Extended.divide(f, b, a);
    };
  }

  private static Action memoryD9(Insn insn, int digit) {
    return switch (digit) {
      case 0 -> (c, f, va) -> push(f, Extended.ofSingle(f, (int) c.mem.loadDword(va)));
      case 2, 3 ->
          (c, f, va) -> {
            c.mem.probeWrite(va, 4);
            c.mem.storeDword(va, X87.get(f, 0).toSingle(f));
            popIf(f, digit == 3);
          };
      case 4 -> (c, f, va) -> X87Environment.load(c, f, va, insn.size == 2);
      case 5 -> (c, f, va) -> X87.setControl(f, (int) c.mem.loadWord(va));
      case 6 ->
          (c, f, va) -> {
            X87Environment.store(c, f, va, insn.size == 2);
            f.fcw |= 0x3F;
            X87.summarize(f);
          };
      case 7 -> (c, f, va) -> c.mem.storeWord(va, f.fcw);
      default -> null;
    };
  }

  private static Action memoryDB(int digit) {
    return switch (digit) {
      case 0 -> (c, f, va) -> push(f, Extended.ofLong((int) c.mem.loadDword(va)));
      case 1 -> storeInteger(4, true, true);
      case 2 -> storeInteger(4, false, false);
      case 3 -> storeInteger(4, true, false);
      case 5 ->
          (c, f, va) -> {
            c.mem.probeRead(va, 10);
            push(f, new Extended((int) c.mem.loadWord(va + 8), c.mem.loadQword(va)));
          };
      case 7 ->
          (c, f, va) -> {
            c.mem.probeWrite(va + 8, 2);
            Extended value = X87.get(f, 0);
            c.mem.storeQword(va, value.significand());
            c.mem.storeWord(va + 8, value.signExponent());
            X87.pop(f);
          };
      default -> null;
    };
  }

  private static Action memoryDD(Insn insn, int digit) {
    return switch (digit) {
      case 0 -> (c, f, va) -> push(f, Extended.ofDouble(f, c.mem.loadQword(va)));
      case 1 -> storeInteger(8, true, true);
      case 2, 3 ->
          (c, f, va) -> {
            c.mem.probeWrite(va, 8);
            c.mem.storeQword(va, X87.get(f, 0).toDouble(f));
            popIf(f, digit == 3);
          };
      case 4 -> (c, f, va) -> X87Environment.restore(c, f, va, insn.size == 2);
      case 6 -> (c, f, va) -> X87Environment.save(c, f, va, insn.size == 2);
      case 7 -> (c, f, va) -> c.mem.storeWord(va, f.fsw);
      default -> null;
    };
  }

  private static Action memoryDF(int digit) {
    return switch (digit) {
      case 0 -> (c, f, va) -> push(f, Extended.ofLong((short) c.mem.loadWord(va)));
      case 1 -> storeInteger(2, true, true);
      case 2 -> storeInteger(2, false, false);
      case 3 -> storeInteger(2, true, false);
      case 4 -> (c, f, va) -> push(f, X87Environment.loadDecimal(c, va));
      case 5 -> (c, f, va) -> push(f, Extended.ofLong(c.mem.loadQword(va)));
      case 6 ->
          (c, f, va) -> {
            X87Environment.storeDecimal(c, f, va);
            X87.pop(f);
          };
      default -> storeInteger(8, true, false);
    };
  }

  private static Action storeInteger(int bytes, boolean pop, boolean truncate) {
    return (c, f, va) -> {
      c.mem.probeWrite(va, bytes);
      f.fsw &= ~X87.C1;
      c.mem.store(
          va, X87.get(f, 0).toInteger(f, bytes, truncate ? 3 : X87.roundingControl(f)), bytes);
      popIf(f, pop);
    };
  }

  private static void push(FpuState f, Extended value) {
    f.fsw &= ~X87.C1;
    X87.push(f, value);
  }

  private static void popIf(FpuState f, boolean pop) {
    if (pop) {
      X87.pop(f);
    }
  }

  // ---- comparisons ----

  /** C3, C2 and C0: unordered 111, greater 000, less 001, equal 100. */
  private static void compare(FpuState f, Extended b, boolean signalQuiet) {
    Extended a = X87.get(f, 0);
    int order = order(f, a, b, signalQuiet);
    X87.conditions(
        f,
        order == UNORDERED
            ? X87.C3 | X87.C2 | X87.C0
            : order > 0 ? 0 : order < 0 ? X87.C0 : X87.C3);
  }

  private static final int UNORDERED = 2;

  private static int order(FpuState f, Extended a, Extended b, boolean signalQuiet) {
    if (a.isDenormal() || b.isDenormal()) {
      X87.raise(f, X87.DE);
    }
    if (a.isNan() || b.isNan() || a.isUnsupported() || b.isUnsupported()) {
      if (signalQuiet
          || a.isSignalling()
          || b.isSignalling()
          || a.isUnsupported()
          || b.isUnsupported()) {
        X87.raise(f, X87.IE);
      }
      return UNORDERED;
    }
    return Extended.compare(a, b);
  }

  private static Action compareFlags(int n, boolean signalQuiet, boolean pop) {
    return (c, f, va) -> {
      int order = order(f, X87.get(f, 0), X87.get(f, n), signalQuiet);
      f.fsw &= ~X87.C1;
      c.setStatus(
          order == UNORDERED
              ? CpuState.ZF | CpuState.PF | CpuState.CF
              : order > 0 ? 0 : order < 0 ? CpuState.CF : CpuState.ZF);
      popIf(f, pop);
    };
  }

  // ---- register operands ----

  private static Action register(Insn insn) {
    int digit = insn.digit();
    int n = insn.modRm & 7;
    return switch (insn.opcode) {
      case 0xD8 ->
          digit == 2 || digit == 3
              ? compareRegister(n, true, digit - 2)
              : (c, f, va) -> calculate(f, digit, 0, n);
      case 0xDC ->
          digit == 2 || digit == 3
              ? compareRegister(n, true, digit - 2)
              : toRegister(digit, n, false);
      case 0xDE ->
          digit == 3
              ? n == 1 ? compareRegister(1, true, 2) : null
              : digit == 2 ? compareRegister(n, true, 1) : toRegister(digit, n, true);
      case 0xD9 -> registerD9(insn, digit, n);
      case 0xDA ->
          insn.modRm == 0xE9
              ? compareRegister(1, false, 2)
              : digit < 4 ? move(digit, n, true) : null;
      case 0xDB -> registerDB(insn, digit, n);
      case 0xDD ->
          switch (digit) {
            case 0 -> (c, f, va) -> f.ftw &= ~(1 << X87.physical(f, n));
            case 2, 3 ->
                (c, f, va) -> {
                  X87.set(f, n, X87.get(f, 0));
                  popIf(f, digit == 3);
                };
            case 4, 5 -> compareRegister(n, false, digit - 4);
            default -> null;
          };
      default ->
          switch (digit) {
            case 4 -> n == 0 ? (c, f, va) -> Registers.set(c.r, CpuState.RAX, 2, f.fsw) : null;
            case 5 -> compareFlags(n, false, true);
            case 6 -> compareFlags(n, true, true);
            default -> null;
          };
    };
  }

  private static Action compareRegister(int n, boolean signalQuiet, int pops) {
    return (c, f, va) -> {
      compare(f, X87.get(f, n), signalQuiet);
      for (int k = 0; k < pops; k++) {
        X87.pop(f);
      }
    };
  }

  /**
   * Destination ST(n): here /4 and /5, /6 and /7 are the other way round, so that 4 is ST(0) -
   * ST(n).
   */
  private static Action toRegister(int digit, int n, boolean pop) {
    return (c, f, va) -> {
      calculate(f, digit, n, n);
      popIf(f, pop);
    };
  }

  /** FCMOVcc: B, E, BE, U. */
  private static Action move(int digit, int n, boolean wanted) {
    int[] codes = {2, 4, 6, 10};
    return (c, f, va) -> {
      boolean underflow = X87.isEmpty(f, 0) || X87.isEmpty(f, n);
      Extended other = X87.get(f, n);
      X87.get(f, 0);
      Extended value = underflow ? Extended.INDEFINITE : other;
      if (underflow || c.condition(codes[digit]) == wanted) {
        X87.set(f, 0, value);
      }
    };
  }

  /** FCHS and FABS. */
  private static void changeSign(FpuState f, boolean absolute) {
    boolean empty = X87.isEmpty(f, 0);
    Extended a = X87.get(f, 0);
    f.fsw &= ~X87.C1;
    X87.set(f, 0, empty ? a : absolute ? a.absolute() : a.negate());
  }

  private static Action registerDB(Insn insn, int digit, int n) {
    return switch (digit) {
      case 0, 1, 2, 3 -> move(digit, n, false);
      case 5 -> compareFlags(n, false, false);
      case 6 -> compareFlags(n, true, false);
      case 4 ->
          switch (insn.modRm) {
            case 0xE2 -> (c, f, va) -> X87.clearExceptions(f);
            case 0xE3 -> (c, f, va) -> X87.initialize(f);
            case 0xE0, 0xE1, 0xE4 -> (c, f, va) -> {}; // of the 8087 and 80287
            default -> null;
          };
      default -> null;
    };
  }

  private static Action registerD9(Insn insn, int digit, int n) {
    return switch (digit) {
      case 0 -> (c, f, va) -> push(f, X87.get(f, n));
      case 1 ->
          (c, f, va) -> {
            Extended other = X87.get(f, n);
            X87.set(f, n, X87.get(f, 0));
            X87.set(f, 0, other);
            f.fsw &= ~X87.C1;
          };
      case 2 -> n == 0 ? (c, f, va) -> {} : null;
      case 5 ->
          n == 7 ? null : (c, f, va) -> push(f, X87Functions.constant(n, X87.roundingControl(f)));
      case 4 ->
          switch (n) {
            case 0 -> (c, f, va) -> changeSign(f, false);
            case 1 -> (c, f, va) -> changeSign(f, true);
            case 4 -> (c, f, va) -> compare(f, Extended.ZERO, true);
            case 5 -> (c, f, va) -> X87Functions.examine(f);
            default -> null;
          };
      case 6, 7 -> X87Functions.function(insn.modRm & 15);
      default -> null;
    };
  }
}
