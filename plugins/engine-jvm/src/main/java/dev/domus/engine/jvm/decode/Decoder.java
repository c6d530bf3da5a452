package dev.domus.engine.jvm.decode;

/**
 * Instruction decoder for 64-bit mode: bytes to {@link Insn} (Intel SDM vol. 2, chapter 2; AMD64
 * APM vol. 3, chapter 1).
 *
 * <p>The encoding is regular enough for one pass without tables of instructions:
 *
 * <pre>
 *   legacy prefixes*  REX?  opcode (1 to 3 bytes, or VEX + 1)  ModRM?  SIB?  displacement?  immediate?
 * </pre>
 *
 * <p>{@link OpcodeMaps} says for every opcode what follows it; no instruction needs more than that
 * to find its end. Whether an opcode is defined for its prefixes and operands is left to the one
 * who gives it meaning, except for opcodes that do not exist at all in this mode. Details that are
 * easily got wrong:
 *
 * <ul>
 *   <li>a REX prefix counts only directly before the opcode;
 *   <li>near branches with 66 and without REX.W have 16-bit displacements: the guest's processor is
 *       AMD's, which differs from Intel's here (APM vol. 3, 1.2.2 and "Near Branches in 64-Bit
 *       Mode");
 *   <li>RIP-relative displacements count from the end of the instruction, immediate included, and
 *       are truncated to 32 bits by an address-size prefix;
 *   <li>AH, CH, DH and BH exist only without REX; that is left to {@link Insn#rex} here;
 *   <li>more than 15 bytes is #GP, even where the bytes that count are all prefixes.
 * </ul>
 *
 * <p>Not thread-safe; one a code cache.
 */
public final class Decoder {
  /** The longest instruction. */
  public static final int MAX_LENGTH = 15;

  private byte[] bytes;
  private int position;
  private int limit;
  private boolean ranOut;

  /**
   * Decodes one instruction.
   *
   * @param bytes holds the instruction
   * @param from index of its first byte
   * @param limit index after the last byte that may be looked at
   * @param at offset of the first byte in its page, for {@link Insn#at}
   * @return the instruction, or null if it does not end before {@code limit}
   */
  public Insn decode(byte[] bytes, int from, int limit, int at) {
    this.bytes = bytes;
    this.position = from;
    this.limit = Math.min(limit, from + MAX_LENGTH);
    this.ranOut = false;
    Insn insn = new Insn();
    insn.at = at;
    prefixesAndOpcode(insn);
    if (!ranOut) {
      operands(insn);
    }
    insn.length = position - from;
    if (ranOut) {
      if (limit - from < MAX_LENGTH) {
        return null;
      }
      insn.tooLong = true;
      insn.length = MAX_LENGTH;
    } else if (insn.base == Insn.PAGE) {
      insn.disp += insn.next();
    }
    return insn;
  }

  private void prefixesAndOpcode(Insn insn) {
    while (!ranOut) {
      int b = next();
      switch (b) {
        case 0x26, 0x2E, 0x36, 0x3E -> overrideSegment(insn, b >> 3 & 3);
        case 0x64, 0x65 -> insn.segment = b - 0x60;
        case 0x66 -> insn.operandSize = true;
        case 0x67 -> insn.addressSize = true;
        case 0xF0 -> insn.lock = true;
        case 0xF2, 0xF3 -> insn.repeat = b;
        default -> {
          if (b >> 4 == 4) {
            insn.rex = b;
            continue;
          }
          opcode(insn, b);
          return;
        }
      }
      insn.rex = 0;
    }
  }

  /**
   * ES, CS, SS and DS overrides are ignored in 64-bit mode, also as cancelling an earlier FS or GS.
   */
  private static void overrideSegment(Insn insn, int segment) {
    if (insn.segment < 4) {
      insn.segment = segment;
    }
  }

  private void opcode(Insn insn, int first) {
    if (first == 0x0F) {
      int second = next();
      if (second == 0x38) {
        insn.opcode = Insn.MAP_0F38 | next();
      } else if (second == 0x3A) {
        insn.opcode = Insn.MAP_0F3A | next();
      } else {
        insn.opcode = Insn.MAP_0F | second;
      }
    } else if (first == 0xC4 || first == 0xC5) {
      vex(insn, first);
    } else {
      insn.opcode = first;
    }
    insn.size = insn.wide() ? 8 : insn.operandSize ? 2 : 4;
  }

  private void vex(Insn insn, int first) {
    insn.vex = true;
    insn.undefined = insn.rex != 0 || insn.lock || insn.operandSize || insn.repeat != 0;
    int p = next();
    int map = 1;
    insn.rex = 0x40 | (~p >> 5 & 4);
    if (first == 0xC4) {
      map = p & 31;
      insn.rex = 0x40 | ~p >> 5 & 7;
      p = next();
      insn.rex |= p >> 4 & 8;
    }
    insn.vvvv = ~p >> 3 & 15;
    insn.vexL = p >> 2 & 1;
    insn.vexPp = p & 3;
    insn.undefined |= map == 0 || map > 3;
    insn.opcode = (map & 3) << 8 | next();
  }

  private void operands(Insn insn) {
    char shape = OpcodeMaps.shape(insn.opcode);
    switch (shape) {
      case '.' -> insn.rm = insn.op() & 7 | (insn.rex & 1) << 3;
      case 'm' -> modRm(insn);
      case 'B', 't' -> {
        modRm(insn);
        if (shape == 'B' || insn.digit() < 2) {
          insn.imm = (byte) next();
        }
      }
      case 'Z', 'T' -> {
        modRm(insn);
        if (shape == 'Z' || insn.digit() < 2) {
          insn.imm = immediate(insn.size);
        }
      }
      case 'b', 'j' -> {
        insn.rm = insn.op() & 7 | (insn.rex & 1) << 3;
        insn.imm = (byte) next();
      }
      case 'z', 'J' -> insn.imm = immediate(insn.size);
      case 'v' -> {
        insn.rm = insn.op() & 7 | (insn.rex & 1) << 3;
        insn.imm = insn.size == 8 ? little(8) : immediate(insn.size);
      }
      case 'w' -> insn.imm = little(2);
      case 'e' -> {
        insn.imm = little(2);
        insn.imm2 = next();
      }
      case 'o' -> {
        insn.memory = true;
        insn.disp = insn.addressSize ? little(4) : little(8);
      }
      default -> insn.undefined = true;
    }
  }

  private void modRm(Insn insn) {
    int modRm = next();
    insn.hasModRm = true;
    insn.modRm = modRm;
    insn.reg = modRm >> 3 & 7 | (insn.rex & 4) << 1;
    int mod = modRm >> 6;
    int rm = modRm & 7;
    if (mod == 3) {
      insn.rm = rm | (insn.rex & 1) << 3;
      return;
    }
    if (insn.opcode >= 0x120 && insn.opcode <= 0x123) { // MOV CR/DR: always registers
      insn.rm = rm | (insn.rex & 1) << 3;
      return;
    }
    insn.memory = true;
    if (rm == 4) {
      int sib = next();
      insn.scale = sib >> 6;
      int index = sib >> 3 & 7 | (insn.rex & 2) << 2;
      insn.index = index == 4 ? Insn.ZERO : index;
      rm = sib & 7;
      if (rm == 5 && mod == 0) {
        insn.disp = (int) little(4);
      } else {
        insn.base = rm | (insn.rex & 1) << 3;
      }
    } else if (rm == 5 && mod == 0) {
      insn.base = Insn.PAGE;
      insn.disp = (int) little(4);
    } else {
      insn.base = rm | (insn.rex & 1) << 3;
    }
    if (mod == 1) {
      insn.disp = (byte) next();
    } else if (mod == 2) {
      insn.disp = (int) little(4);
    }
  }

  private long immediate(int size) {
    return size == 2 ? (short) little(2) : (int) little(4);
  }

  private long little(int size) {
    long value = 0;
    for (int n = 0; n < size; n++) {
      value |= (long) next() << 8 * n;
    }
    return value;
  }

  private int next() {
    if (position >= limit) {
      ranOut = true;
      return 0;
    }
    return bytes[position++] & 0xFF;
  }
}
