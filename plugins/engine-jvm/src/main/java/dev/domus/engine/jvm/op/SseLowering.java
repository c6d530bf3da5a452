package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.op.PackedInteger.Half;

/**
 * SSE and SSE2 (and the few of SSE3 that share their opcodes), chosen by opcode and mandatory
 * prefix (Intel SDM vol. 2, table A-3). Without a prefix the integer opcodes are MMX, which {@link
 * MmxLowering} has.
 */
final class SseLowering {
  private static final int NONE = 0, P66 = 0x66, F3 = 0xF3, F2 = 0xF2;
  private static final long LOW32 = 0xFFFFFFFFL;

  private SseLowering() {}

  static Op lower(Insn insn) {
    int op = insn.op();
    int p = insn.mandatory();
    return switch (op >> 4) {
      case 1 -> moves(insn, op, p);
      case 2 -> conversionsAndCompares(insn, op, p);
      case 5 ->
          op >= 0x58 || op >= 0x51 && op <= 0x53 ? arithmetic(insn, op, p) : logic(insn, op, p);
      case 6, 7, 0xD, 0xE, 0xF -> integer(insn, op, p);
      case 0xC -> shuffles(insn, op, p);
      default -> null;
    };
  }

  private static Op wide(Insn insn, SseOps.Wide operation) {
    return new SseOps.Compute(insn, 16, true, operation);
  }

  // ---- 0F 10 to 0F 17 ----

  private static Op moves(Insn insn, int op, int p) {
    boolean packed = p == NONE || p == P66;
    switch (op) {
      case 0x10, 0x11 -> {
        if (packed) {
          return op == 0x10 ? new SseOps.Load128(insn, false) : new SseOps.Store128(insn, false);
        }
        return scalarMove(insn, op == 0x11, p == F3 ? 4 : 8);
      }
      case 0x12, 0x16 -> {
        if (p == F3 || p == F2) {
          return duplicate(insn, op, p);
        }
        boolean high = op == 0x16;
        if (!insn.memory) {
          return p == P66
              ? null
              : high
                  ? wide(insn, (c, x, d, l, h) -> x[d + 1] = l)
                  : wide(insn, (c, x, d, l, h) -> x[d] = h);
        }
        return new SseOps.Compute(
            insn, 8, false, high ? (c, x, d, l, h) -> x[d + 1] = l : (c, x, d, l, h) -> x[d] = l);
      }
      case 0x13, 0x17 -> {
        return packed && insn.memory ? new SseOps.StorePart(insn, 8, op == 0x17) : null;
      }
      case 0x14, 0x15 -> {
        if (!packed) {
          return null;
        }
        boolean high = op == 0x15;
        if (p == P66) {
          return wide(insn, high ? SseLowering::highQwords : SseLowering::lowQwords);
        }
        return wide(insn, high ? SseLowering::highDwords : SseLowering::lowDwords);
      }
      default -> {
        return null;
      }
    }
  }

  private static void lowQwords(Cpu c, long[] x, int d, long low, long high) {
    x[d + 1] = low;
  }

  private static void highQwords(Cpu c, long[] x, int d, long low, long high) {
    x[d] = x[d + 1];
    x[d + 1] = high;
  }

  private static void lowDwords(Cpu c, long[] x, int d, long low, long high) {
    long a = x[d];
    x[d] = a & LOW32 | low << 32;
    x[d + 1] = a >>> 32 | low & ~LOW32;
  }

  private static void highDwords(Cpu c, long[] x, int d, long low, long high) {
    long a = x[d + 1];
    x[d] = a & LOW32 | high << 32;
    x[d + 1] = a >>> 32 | high & ~LOW32;
  }

  private static Op scalarMove(Insn insn, boolean store, int bytes) {
    if (insn.memory) {
      return store
          ? new SseOps.StorePart(insn, bytes, false)
          : new SseOps.Compute(
              insn,
              bytes,
              false,
              (c, x, d, l, h) -> {
                x[d] = l;
                x[d + 1] = 0;
              });
    }
    SseOps.Wide merge =
        bytes == 4
            ? (c, x, d, l, h) -> x[d] = x[d] & ~LOW32 | l & LOW32
            : (c, x, d, l, h) -> x[d] = l;
    return store ? new SseOps.MoveToRm(insn, merge) : new SseOps.Compute(insn, bytes, false, merge);
  }

  /** MOVDDUP, MOVSLDUP, MOVSHDUP. */
  private static Op duplicate(Insn insn, int op, int p) {
    if (p == F2) {
      return op == 0x16
          ? null
          : new SseOps.Compute(
              insn,
              8,
              false,
              (c, x, d, l, h) -> {
                x[d] = l;
                x[d + 1] = l;
              });
    }
    boolean odd = op == 0x16;
    return wide(
        insn,
        (c, x, d, l, h) -> {
          x[d] = odd ? l & ~LOW32 | l >>> 32 : l & LOW32 | l << 32;
          x[d + 1] = odd ? h & ~LOW32 | h >>> 32 : h & LOW32 | h << 32;
        });
  }

  // ---- 0F 28 to 0F 2F ----

  private static Op conversionsAndCompares(Insn insn, int op, int p) {
    boolean packed = p == NONE || p == P66;
    int bytes = p == F3 || p == NONE ? 4 : 8;
    return switch (op) {
      case 0x28 -> packed ? new SseOps.Load128(insn, true) : null;
      case 0x29 -> packed ? new SseOps.Store128(insn, true) : null;
      case 0x2A -> packed ? MmxLowering.toFloat(insn, p) : fromInteger(insn, p == F3);
      case 0x2B -> packed && insn.memory ? new SseOps.Store128(insn, true) : null;
      case 0x2C, 0x2D ->
          packed ? MmxLowering.fromFloat(insn, p, op == 0x2C) : toInteger(insn, bytes, op == 0x2C);
      case 0x2E, 0x2F -> packed ? new SseOps.CompareFlags(insn, p == P66) : null;
      default -> null;
    };
  }

  private static Op fromInteger(Insn insn, boolean single) {
    int size = insn.wide() ? 8 : 4;
    int sh = 64 - 8 * size;
    return new SseOps.Insert(
        insn,
        Place.rm(insn, size),
        single
            ? (c, x, d, v, h) ->
                x[d] = x[d] & ~LOW32 | Float.floatToRawIntBits(v << sh >> sh) & LOW32
            : (c, x, d, v, h) -> x[d] = Double.doubleToRawLongBits(v << sh >> sh));
  }

  static int roundingControl(Cpu c) {
    return c.state.fpu.mxcsr >> 13 & 3;
  }

  private static Op toInteger(Insn insn, int bytes, boolean truncate) {
    int size = insn.wide() ? 8 : 4;
    return new SseOps.Extract(
        insn,
        bytes,
        size,
        (c, l, h) -> {
          double value = bytes == 4 ? Float.intBitsToFloat((int) l) : Double.longBitsToDouble(l);
          return FloatingPoint.toInteger(value, size, truncate, roundingControl(c));
        });
  }

  // ---- 0F 50 to 0F 5F ----

  private static Op logic(Insn insn, int op, int p) {
    if (p == F2 || p == F3) {
      return null;
    }
    return switch (op) {
      case 0x50 ->
          insn.memory
              ? null
              : new SseOps.Extract(
                  insn,
                  16,
                  8,
                  p == P66
                      ? (c, l, h) -> l >>> 63 | h >>> 63 << 1
                      : (c, l, h) ->
                          l >>> 31 & 1 | l >>> 63 << 1 | (h >>> 31 & 1) << 2 | h >>> 63 << 3);
      case 0x54 -> new SseOps.ByHalves(insn, PackedInteger::and);
      case 0x55 -> new SseOps.ByHalves(insn, PackedInteger::andNot);
      case 0x56 -> new SseOps.ByHalves(insn, PackedInteger::or);
      case 0x57 -> new SseOps.ByHalves(insn, PackedInteger::xor);
      default -> null;
    };
  }

  private static Op arithmetic(Insn insn, int op, int p) {
    if (op == 0x5A) {
      return changePrecision(insn, p);
    }
    if (op == 0x5B) {
      return packedConversion(insn, p);
    }
    int operation = op & 15;
    boolean approximation = operation == FloatingPoint.RSQRT || operation == FloatingPoint.RCP;
    return switch (p) {
      case NONE ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] = singles(operation, x[d], l);
                x[d + 1] = singles(operation, x[d + 1], h);
              });
      case F3 ->
          new SseOps.Compute(
              insn,
              4,
              false,
              (c, x, d, l, h) ->
                  x[d] =
                      x[d] & ~LOW32 | FloatingPoint.single(operation, (int) x[d], (int) l) & LOW32);
      case P66 ->
          approximation
              ? null
              : wide(
                  insn,
                  (c, x, d, l, h) -> {
                    x[d] = FloatingPoint.dual(operation, x[d], l);
                    x[d + 1] = FloatingPoint.dual(operation, x[d + 1], h);
                  });
      default ->
          approximation
              ? null
              : new SseOps.Compute(
                  insn, 8, false, (c, x, d, l, h) -> x[d] = FloatingPoint.dual(operation, x[d], l));
    };
  }

  private static long singles(int operation, long a, long b) {
    return FloatingPoint.single(operation, (int) a, (int) b) & LOW32
        | (long) FloatingPoint.single(operation, (int) (a >>> 32), (int) (b >>> 32)) << 32;
  }

  private static Op changePrecision(Insn insn, int p) {
    return switch (p) {
      case NONE ->
          new SseOps.Compute(
              insn,
              8,
              false,
              (c, x, d, l, h) -> {
                x[d] = FloatingPoint.widen((int) l);
                x[d + 1] = FloatingPoint.widen((int) (l >>> 32));
              });
      case P66 ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] = FloatingPoint.narrow(l) & LOW32 | (long) FloatingPoint.narrow(h) << 32;
                x[d + 1] = 0;
              });
      case F3 ->
          new SseOps.Compute(
              insn, 4, false, (c, x, d, l, h) -> x[d] = FloatingPoint.widen((int) l));
      default ->
          new SseOps.Compute(
              insn,
              8,
              false,
              (c, x, d, l, h) -> x[d] = x[d] & ~LOW32 | FloatingPoint.narrow(l) & LOW32);
    };
  }

  private static Op packedConversion(Insn insn, int p) {
    if (p == F2) {
      return null;
    }
    if (p == NONE) {
      return wide(
          insn,
          (c, x, d, l, h) -> {
            x[d] = dwordsToSingles(l);
            x[d + 1] = dwordsToSingles(h);
          });
    }
    boolean truncate = p == F3;
    return wide(
        insn,
        (c, x, d, l, h) -> {
          x[d] = singlesToDwords(c, l, truncate);
          x[d + 1] = singlesToDwords(c, h, truncate);
        });
  }

  static long dwordsToSingles(long a) {
    return Float.floatToRawIntBits((int) a) & LOW32
        | (long) Float.floatToRawIntBits((int) (a >>> 32)) << 32;
  }

  static long singlesToDwords(Cpu c, long a, boolean truncate) {
    int rc = roundingControl(c);
    return FloatingPoint.toInteger(Float.intBitsToFloat((int) a), 4, truncate, rc) & LOW32
        | FloatingPoint.toInteger(Float.intBitsToFloat((int) (a >>> 32)), 4, truncate, rc) << 32;
  }

  static long doublesToDwords(Cpu c, long low, long high, boolean truncate) {
    int rc = roundingControl(c);
    return FloatingPoint.toInteger(Double.longBitsToDouble(low), 4, truncate, rc) & LOW32
        | FloatingPoint.toInteger(Double.longBitsToDouble(high), 4, truncate, rc) << 32;
  }

  // ---- 0F C2, C4, C5, C6 ----

  private static Op shuffles(Insn insn, int op, int p) {
    int imm = (int) insn.imm & 0xFF;
    switch (op) {
      case 0xC2 -> {
        return imm > 7 ? compare(insn, p, imm & 7) : compare(insn, p, imm);
      }
      case 0xC4 -> {
        if (p != P66) {
          return p == NONE ? MmxLowering.lower(insn, op) : null;
        }
        int at = 16 * (imm & 3);
        int half = imm >> 2 & 1;
        return new SseOps.Insert(
            insn,
            Place.rm(insn, insn.memory ? 2 : 4),
            (c, x, d, v, h) -> x[d + half] = x[d + half] & ~(0xFFFFL << at) | (v & 0xFFFF) << at);
      }
      case 0xC5 -> {
        if (p != P66 || insn.memory) {
          return p == NONE ? MmxLowering.lower(insn, op) : null;
        }
        int at = 16 * (imm & 3);
        boolean high = (imm & 4) != 0;
        return new SseOps.Extract(insn, 16, 8, (c, l, h) -> (high ? h : l) >>> at & 0xFFFF);
      }
      case 0xC6 -> {
        if (p == P66) {
          return wide(
              insn,
              (c, x, d, l, h) -> {
                long first = (imm & 1) != 0 ? x[d + 1] : x[d];
                x[d + 1] = (imm & 2) != 0 ? h : l;
                x[d] = first;
              });
        }
        return p != NONE
            ? null
            : wide(
                insn,
                (c, x, d, l, h) -> {
                  long first = dword(x[d], x[d + 1], imm) | dword(x[d], x[d + 1], imm >> 2) << 32;
                  x[d + 1] = dword(l, h, imm >> 4) | dword(l, h, imm >> 6) << 32;
                  x[d] = first;
                });
      }
      default -> {
        return null;
      }
    }
  }

  private static long dword(long low, long high, int n) {
    return ((n & 2) == 0 ? low : high) >>> 32 * (n & 1) & LOW32;
  }

  private static Op compare(Insn insn, int p, int predicate) {
    return switch (p) {
      case NONE ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] =
                    compareSingle(predicate, x[d], l)
                        | compareSingle(predicate, x[d] >>> 32, l >>> 32) << 32;
                x[d + 1] =
                    compareSingle(predicate, x[d + 1], h)
                        | compareSingle(predicate, x[d + 1] >>> 32, h >>> 32) << 32;
              });
      case P66 ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] = compareDouble(predicate, x[d], l);
                x[d + 1] = compareDouble(predicate, x[d + 1], h);
              });
      case F3 ->
          new SseOps.Compute(
              insn,
              4,
              false,
              (c, x, d, l, h) -> x[d] = x[d] & ~LOW32 | compareSingle(predicate, x[d], l));
      default ->
          new SseOps.Compute(
              insn, 8, false, (c, x, d, l, h) -> x[d] = compareDouble(predicate, x[d], l));
    };
  }

  private static long compareSingle(int predicate, long a, long b) {
    return FloatingPoint.compare(
            predicate, Float.intBitsToFloat((int) a), Float.intBitsToFloat((int) b))
        ? LOW32
        : 0;
  }

  private static long compareDouble(int predicate, long a, long b) {
    return FloatingPoint.compare(predicate, Double.longBitsToDouble(a), Double.longBitsToDouble(b))
        ? -1
        : 0;
  }

  // ---- 0F 60 to 7F, D0 to FE ----

  private static Op integer(Insn insn, int op, int p) {
    if (p == NONE) {
      return MmxLowering.lower(insn, op);
    }
    if (p != P66) {
      return prefixed(insn, op, p);
    }
    Half half = lanewise(op);
    if (half != null) {
      return new SseOps.ByHalves(insn, half);
    }
    int imm = (int) insn.imm & 0xFF;
    return switch (op) {
      case 0x60, 0x61, 0x62 -> unpackLow(insn, 8 << (op & 3));
      case 0x68, 0x69, 0x6A -> unpackHigh(insn, 8 << (op & 3));
      case 0x6C -> wide(insn, SseLowering::lowQwords);
      case 0x6D -> wide(insn, SseLowering::highQwords);
      case 0x63 -> pack(insn, 16, false);
      case 0x67 -> pack(insn, 16, true);
      case 0x6B -> pack(insn, 32, false);
      case 0x6E -> new SseOps.FromGeneral(insn);
      case 0x6F -> new SseOps.Load128(insn, true);
      case 0x70 ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] = dword(l, h, imm) | dword(l, h, imm >> 2) << 32;
                x[d + 1] = dword(l, h, imm >> 4) | dword(l, h, imm >> 6) << 32;
              });
      case 0x71, 0x72, 0x73 -> shiftGroup(insn, op, imm);
      case 0x7E -> new SseOps.ToGeneral(insn);
      case 0x7F -> new SseOps.Store128(insn, true);
      case 0xD1, 0xD2, 0xD3 -> shift(insn, SHIFT_RIGHT, 8 << (op & 3));
      case 0xE1, 0xE2 -> shift(insn, SHIFT_SIGNED, 8 << (op & 3));
      case 0xF1, 0xF2, 0xF3 -> shift(insn, SHIFT_LEFT, 8 << (op & 3));
      case 0xD6 ->
          insn.memory
              ? new SseOps.StorePart(insn, 8, false)
              : new SseOps.MoveToRm(
                  insn,
                  (c, x, d, l, h) -> {
                    x[d] = l;
                    x[d + 1] = 0;
                  });
      case 0xD7 ->
          insn.memory
              ? null
              : new SseOps.Extract(
                  insn,
                  16,
                  8,
                  (c, l, h) -> PackedInteger.moveMask(l) | PackedInteger.moveMask(h) << 8);
      case 0xE6 ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] = doublesToDwords(c, l, h, true);
                x[d + 1] = 0;
              });
      case 0xE7 -> insn.memory ? new SseOps.Store128(insn, true) : null;
      case 0xF7 -> insn.memory ? null : new SseOps.MaskedStore(insn);
      default -> null;
    };
  }

  private static Op prefixed(Insn insn, int op, int p) {
    int imm = (int) insn.imm & 0xFF;
    if (p == F3) {
      return switch (op) {
        case 0x6F -> new SseOps.Load128(insn, false);
        case 0x70 ->
            wide(
                insn,
                (c, x, d, l, h) -> {
                  x[d] = l;
                  x[d + 1] = PackedInteger.shuffleWords(h, imm);
                });
        case 0x7E ->
            new SseOps.Compute(
                insn,
                8,
                false,
                (c, x, d, l, h) -> {
                  x[d] = l;
                  x[d + 1] = 0;
                });
        case 0x7F -> new SseOps.Store128(insn, false);
        case 0xD6 -> MmxLowering.toXmm(insn);
        case 0xE6 ->
            new SseOps.Compute(
                insn,
                8,
                false,
                (c, x, d, l, h) -> {
                  x[d] = Double.doubleToRawLongBits((int) l);
                  x[d + 1] = Double.doubleToRawLongBits((int) (l >>> 32));
                });
        default -> null;
      };
    }
    return switch (op) {
      case 0x70 ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] = PackedInteger.shuffleWords(l, imm);
                x[d + 1] = h;
              });
      case 0xD6 -> MmxLowering.fromXmm(insn);
      case 0xE6 ->
          wide(
              insn,
              (c, x, d, l, h) -> {
                x[d] = doublesToDwords(c, l, h, false);
                x[d + 1] = 0;
              });
      case 0xF0 -> insn.memory ? new SseOps.Load128(insn, false) : null;
      default -> null;
    };
  }

  /** Operations that do the same to each half, or null. */
  static Half lanewise(int op) {
    return switch (op) {
      case 0x64 -> PackedInteger::greaterBytes;
      case 0x65 -> PackedInteger::greaterWords;
      case 0x66 -> PackedInteger::greaterDwords;
      case 0x74 -> PackedInteger::equalBytes;
      case 0x75 -> PackedInteger::equalWords;
      case 0x76 -> PackedInteger::equalDwords;
      case 0xD4 -> PackedInteger::addQword;
      case 0xD5 -> PackedInteger::multiplyLow;
      case 0xD8 -> PackedInteger::subUnsignedBytes;
      case 0xD9 -> PackedInteger::subUnsignedWords;
      case 0xDA -> PackedInteger::minUnsignedBytes;
      case 0xDB -> PackedInteger::and;
      case 0xDC -> PackedInteger::addUnsignedBytes;
      case 0xDD -> PackedInteger::addUnsignedWords;
      case 0xDE -> PackedInteger::maxUnsignedBytes;
      case 0xDF -> PackedInteger::andNot;
      case 0xE0 -> PackedInteger::averageBytes;
      case 0xE3 -> PackedInteger::averageWords;
      case 0xE4 -> PackedInteger::multiplyHighUnsigned;
      case 0xE5 -> PackedInteger::multiplyHigh;
      case 0xE8 -> PackedInteger::subSaturatedBytes;
      case 0xE9 -> PackedInteger::subSaturatedWords;
      case 0xEA -> PackedInteger::minWords;
      case 0xEB -> PackedInteger::or;
      case 0xEC -> PackedInteger::addSaturatedBytes;
      case 0xED -> PackedInteger::addSaturatedWords;
      case 0xEE -> PackedInteger::maxWords;
      case 0xEF -> PackedInteger::xor;
      case 0xF4 -> PackedInteger::multiplyDwords;
      case 0xF5 -> PackedInteger::multiplyAdd;
      case 0xF6 -> PackedInteger::sumOfDifferences;
      case 0xF8 -> PackedInteger::subBytes;
      case 0xF9 -> PackedInteger::subWords;
      case 0xFA -> PackedInteger::subDwords;
      case 0xFB -> PackedInteger::subQword;
      case 0xFC -> PackedInteger::addBytes;
      case 0xFD -> PackedInteger::addWords;
      case 0xFE -> PackedInteger::addDwords;
      default -> null;
    };
  }

  private static Op unpackLow(Insn insn, int bits) {
    return wide(
        insn,
        (c, x, d, l, h) -> {
          long a = x[d];
          x[d] = PackedInteger.unpackLow(bits, a, l);
          x[d + 1] = PackedInteger.unpackHigh(bits, a, l);
        });
  }

  private static Op unpackHigh(Insn insn, int bits) {
    return wide(
        insn,
        (c, x, d, l, h) -> {
          long a = x[d + 1];
          x[d] = PackedInteger.unpackLow(bits, a, h);
          x[d + 1] = PackedInteger.unpackHigh(bits, a, h);
        });
  }

  private static Op pack(Insn insn, int bits, boolean unsigned) {
    return wide(
        insn,
        (c, x, d, l, h) -> {
          long low =
              PackedInteger.pack(bits, unsigned, x[d])
                  | PackedInteger.pack(bits, unsigned, x[d + 1]) << 32;
          x[d + 1] =
              PackedInteger.pack(bits, unsigned, l) | PackedInteger.pack(bits, unsigned, h) << 32;
          x[d] = low;
        });
  }

  static final int SHIFT_RIGHT = 2, SHIFT_SIGNED = 4, SHIFT_LEFT = 6;

  static long shiftHalf(int kind, int bits, long a, long count) {
    return switch (kind) {
      case SHIFT_RIGHT -> PackedInteger.shiftRight(bits, a, count);
      case SHIFT_SIGNED -> PackedInteger.shiftRightSigned(bits, a, count);
      default -> PackedInteger.shiftLeft(bits, a, count);
    };
  }

  private static Op shift(Insn insn, int kind, int bits) {
    return wide(
        insn,
        (c, x, d, l, h) -> {
          x[d] = shiftHalf(kind, bits, x[d], l);
          x[d + 1] = shiftHalf(kind, bits, x[d + 1], l);
        });
  }

  private static Op shiftGroup(Insn insn, int op, int imm) {
    int bits = 8 << (op & 3);
    int kind = insn.digit();
    if (insn.memory) {
      return null;
    }
    if (op == 0x73 && (kind == 3 || kind == 7)) {
      return new SseOps.ShiftImmediate(
          insn,
          kind == 3
              ? (c, x, d, l, h) -> shiftBytesRight(x, d, imm)
              : (c, x, d, l, h) -> shiftBytesLeft(x, d, imm));
    }
    boolean exists =
        kind == SHIFT_RIGHT || kind == SHIFT_LEFT || kind == SHIFT_SIGNED && op != 0x73;
    return !exists
        ? null
        : new SseOps.ShiftImmediate(
            insn,
            (c, x, d, l, h) -> {
              x[d] = shiftHalf(kind, bits, l, imm);
              x[d + 1] = shiftHalf(kind, bits, h, imm);
            });
  }

  private static void shiftBytesRight(long[] x, int d, int bytes) {
    int n = 8 * bytes;
    long low = x[d];
    long high = x[d + 1];
    x[d] = n == 0 ? low : n < 64 ? low >>> n | high << 64 - n : n < 128 ? high >>> n - 64 : 0;
    x[d + 1] = n < 64 ? high >>> n : 0;
  }

  private static void shiftBytesLeft(long[] x, int d, int bytes) {
    int n = 8 * bytes;
    long low = x[d];
    long high = x[d + 1];
    x[d + 1] = n == 0 ? high : n < 64 ? high << n | low >>> 64 - n : n < 128 ? low << n - 64 : 0;
    x[d] = n < 64 ? low << n : 0;
  }
}
