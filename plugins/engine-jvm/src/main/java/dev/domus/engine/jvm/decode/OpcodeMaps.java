package dev.domus.engine.jvm.decode;

/**
 * What follows each opcode byte in 64-bit mode (Intel SDM vol. 2, appendix A.3). One letter an
 * opcode, sixteen a row:
 *
 * <pre>
 *   .  nothing                    m  ModRM                     !  undefined
 *   b  imm8                       B  ModRM imm8                p  prefix or escape, dealt with before
 *   z  imm16 or imm32             Z  ModRM imm16/32            v  imm16, imm32 or imm64
 *   w  imm16                      e  imm16 imm8                o  offset of the address size
 *   j  rel8                       J  rel32 (rel16 by 66)       t  ModRM, and for /0 and /1 imm8
 *                                                              T  ModRM, and for /0 and /1 imm16/32
 * </pre>
 */
final class OpcodeMaps {
  static final String ONE_BYTE =
      "mmmmbz!!mmmmbz!p" // 00
          + "mmmmbz!!mmmmbz!!" // 10
          + "mmmmbzp!mmmmbzp!" // 20
          + "mmmmbzp!mmmmbzp!" // 30
          + "pppppppppppppppp" // 40
          + "................" // 50
          + "!!!mppppzZbB...." // 60
          + "jjjjjjjjjjjjjjjj" // 70
          + "BZ!Bmmmmmmmmmmmm" // 80
          + "..........!....." // 90
          + "oooo....bz......" // A0
          + "bbbbbbbbvvvvvvvv" // B0
          + "BBw.ppBZe.w..b!." // C0
          + "mmmm!!!.mmmmmmmm" // D0
          + "jjjjbbbbJJ!j...." // E0
          + "p.pp..tT......mm"; // F0

  static final String MAP_0F =
      "mmmm!.....!.!m!B" // 00
          + "mmmmmmmmmmmmmmmm" // 10
          + "mmmm!!!!mmmmmmmm" // 20
          + "......!!p!p!!!!!" // 30
          + "mmmmmmmmmmmmmmmm" // 40
          + "mmmmmmmmmmmmmmmm" // 50
          + "mmmmmmmmmmmmmmmm" // 60
          + "BBBBmmm.mm!!mmmm" // 70
          + "JJJJJJJJJJJJJJJJ" // 80
          + "mmmmmmmmmmmmmmmm" // 90
          + "...mBm!!...mBmmm" // A0
          + "mmmmmmmmmmBmmmmm" // B0
          + "mmBmBBBm........" // C0
          + "mmmmmmmmmmmmmmmm" // D0
          + "mmmmmmmmmmmmmmmm" // E0
          + "mmmmmmmmmmmmmmmm"; // F0

  private OpcodeMaps() {}

  /** The letter of an opcode with its map, as in {@link Insn#opcode}. */
  static char shape(int opcode) {
    return switch (opcode & ~0xFF) {
      case 0 -> ONE_BYTE.charAt(opcode);
      case Insn.MAP_0F -> MAP_0F.charAt(opcode & 0xFF);
      case Insn.MAP_0F38 -> 'm';
      default -> 'B';
    };
  }
}
