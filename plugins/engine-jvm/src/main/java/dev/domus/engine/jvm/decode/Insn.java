package dev.domus.engine.jvm.decode;

/**
 * One decoded instruction: everything the bytes say, nothing about what it means.
 *
 * <p>Made by {@link Decoder}, read by whoever turns instructions into something that runs. It is
 * independent of the linear address at which the instruction stands: positions are offsets in a
 * page, and RIP-relative operands are expressed through the pseudo register {@link #PAGE}.
 */
public final class Insn {
  /** Pseudo register for an absent base, index or segment: always zero. */
  public static final int ZERO = 16;

  /** Pseudo register: linear address of the page that holds the instruction. */
  public static final int PAGE = 17;

  /** Pseudo register: base of the FS or GS segment. */
  public static final int FS_BASE = 18, GS_BASE = 19;

  /** Opcode maps, as the high byte of {@link #opcode}: one-byte, 0F, 0F 38, 0F 3A. */
  public static final int MAP_0F = 0x100, MAP_0F38 = 0x200, MAP_0F3A = 0x300;

  /** Offset in the page of the first byte. */
  public int at;

  /** Bytes of the instruction, 1 to 15. */
  public int length;

  /** Opcode map and opcode byte. */
  public int opcode;

  /** The bytes name no instruction in 64-bit mode. */
  public boolean undefined;

  /** Longer than 15 bytes: #GP(0) whatever it would be. */
  public boolean tooLong;

  /** Prefix seen: 66, 67, F0. */
  public boolean operandSize, addressSize, lock;

  /** The last of F2 and F3 seen, or 0. */
  public int repeat;

  /** Last segment override: 0 to 5 for ES CS SS DS FS GS, or -1. */
  public int segment = -1;

  /** REX prefix byte, or 0. */
  public int rex;

  /** VEX-encoded. */
  public boolean vex;

  /** VEX.vvvv (not inverted), VEX.L and VEX.pp. */
  public int vvvv, vexL, vexPp;

  /** Operand size in bytes that follows from 66 and REX.W: 2, 4 or 8. */
  public int size;

  /** There is a ModRM byte. */
  public boolean hasModRm;

  /** ModRM byte as it stands. */
  public int modRm;

  /**
   * ModRM.reg with REX.R, and ModRM.rm with REX.B (a register only if {@link #memory} is false).
   */
  public int reg, rm;

  /**
   * ModRM names memory, at {@link #base} + {@link #index} &lt;&lt; {@link #scale} + {@link #disp}.
   */
  public boolean memory;

  /** Registers or pseudo registers of the address. */
  public int base = ZERO, index = ZERO, scale;

  /** Displacement; the offset for the MOV forms with an absolute address. */
  public long disp;

  /** Immediate, sign-extended from its encoded size; the displacement of relative branches. */
  public long imm;

  /** Second immediate, of ENTER; the selector of far transfers is none in 64-bit mode. */
  public int imm2;

  /** Offset in the page of the next instruction; may be beyond the page. */
  public int next() {
    return at + length;
  }

  /** Opcode byte without its map. */
  public int op() {
    return opcode & 0xFF;
  }

  /** The /digit of group opcodes. */
  public int digit() {
    return modRm >> 3 & 7;
  }

  /** REX.W (or VEX.W). */
  public boolean wide() {
    return (rex & 8) != 0;
  }

  /**
   * The mandatory prefix that selects among SSE instructions: 0, 0x66, 0xF3 or 0xF2; F2 and F3 win
   * over 66.
   */
  public int mandatory() {
    return repeat != 0 ? repeat : operandSize ? 0x66 : 0;
  }

  /** Pseudo register of the segment base that the memory operand uses. */
  public int segmentBase() {
    return segment == 4 ? FS_BASE : segment == 5 ? GS_BASE : ZERO;
  }

  /** The memory operand belongs to the stack segment, so that a non-canonical address is #SS. */
  public boolean inStackSegment() {
    return memory && segment < 4 && (base == 4 || base == 5);
  }
}
