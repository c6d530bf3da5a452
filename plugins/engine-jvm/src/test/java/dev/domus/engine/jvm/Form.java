package dev.domus.engine.jvm;

import java.io.ByteArrayOutputStream;
import java.util.Random;

/**
 * One form of an instruction, from which encodings with random operands are made.
 *
 * @param name for messages
 * @param prefix 0, 0x66, 0xF2 or 0xF3
 * @param opcode opcode bytes
 * @param size operand size in bytes, 8 meaning REX.W
 * @param digit fixed ModRM.reg, or -1 for a register
 * @param operands which operands to make
 * @param immediate bytes of the immediate
 * @param undefined RFLAGS bits that the manual leaves undefined
 */
record Form(
    String name,
    int prefix,
    int[] opcode,
    int size,
    int digit,
    Operands operands,
    int immediate,
    long undefined) {
  /** What ModRM.rm may be. */
  enum Operands {
    NONE,
    REGISTER,
    MEMORY,
    /** The low three bits of the last opcode byte name a register. */
    IN_OPCODE
  }

  static final int CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, OF = 2048;

  /**
   * The general register that holds the address of the memory operand (plus a displacement), and
   * its index register.
   */
  static final int BASE = 3, INDEX = 9;

  Form undefined(long mask) {
    return new Form(name, prefix, opcode, size, digit, operands, immediate, mask);
  }

  /**
   * Makes an encoding.
   *
   * @param wideRegisters registers in ModRM.reg and rm need not be general ones: any number will do
   */
  byte[] encode(Random random, boolean byteRegisters, boolean wideRegisters) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int reg = digit >= 0 ? digit : register(random, wideRegisters);
    int rm = register(random, wideRegisters);
    boolean memory = operands == Operands.MEMORY;
    int mode = random.nextInt(4);
    boolean sib = memory && mode >= 2;
    int rex =
        (size == 8 ? 8 : 0)
            | (digit < 0 && operands != Operands.NONE && operands != Operands.IN_OPCODE
                ? reg >> 3 << 2
                : 0);
    if (memory) {
      rex |= sib ? 2 : 0; // index r9
    } else if (operands != Operands.NONE) {
      rex |= rm >> 3;
    }
    boolean needsRex = rex != 0 || byteRegisters && random.nextBoolean();
    if (!needsRex && size == 1 && !wideRegisters) {
      // without REX, 4 to 7 are AH to BH: all fine, but BH may not change while BX holds the
      // address
      if (memory && (reg & 7) == 7 && digit < 0) {
        reg &= ~4;
      }
    }
    if (prefix != 0) {
      out.write(prefix);
    }
    if (size == 2 && prefix != 0x66) {
      out.write(0x66);
    }
    if (needsRex) {
      out.write(0x40 | rex);
    }
    for (int n = 0; n < opcode.length; n++) {
      boolean last = n == opcode.length - 1;
      out.write(opcode[n] | (last && operands == Operands.IN_OPCODE ? rm & 7 : 0));
    }
    if (operands == Operands.REGISTER) {
      out.write(0xC0 | (reg & 7) << 3 | rm & 7);
    } else if (memory) {
      memory(out, random, reg, mode, sib);
    }
    for (int n = 0; n < immediate; n++) {
      out.write(random.nextInt(3) == 0 ? corner(random) : random.nextInt(256));
    }
    return out.toByteArray();
  }

  private void memory(ByteArrayOutputStream out, Random random, int reg, int mode, boolean sib) {
    int mod = mode == 0 ? 0 : mode == 1 ? 1 : mode == 2 ? 2 : 0;
    out.write(mod << 6 | (reg & 7) << 3 | (sib ? 4 : BASE));
    if (sib) {
      out.write(random.nextInt(4) << 6 | (INDEX & 7) << 3 | BASE);
    }
    if (mod == 1) {
      out.write(random.nextInt(16) * 4);
    } else if (mod == 2) {
      int disp = random.nextInt(64) - 32;
      for (int n = 0; n < 4; n++) {
        out.write(disp >> 8 * n);
      }
    }
  }

  private static int corner(Random random) {
    int[] corners = {0, 1, 0x7F, 0x80, 0xFF, 31, 32, 63, 64, 16, 8};
    return corners[random.nextInt(corners.length)];
  }

  /** Any register but RSP; the base of memory operands is kept too, as is the index. */
  private static int register(Random random, boolean wide) {
    while (true) {
      int n = random.nextInt(16);
      if (wide || n != 4 && n != BASE && n != INDEX) {
        return n;
      }
    }
  }
}
