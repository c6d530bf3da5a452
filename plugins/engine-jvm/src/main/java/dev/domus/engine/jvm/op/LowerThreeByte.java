package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Op;

/** Three-byte opcodes, 0F 38 xx and 0F 3A xx (Intel SDM vol. 2, tables ). */
final class LowerThreeByte {
  private LowerThreeByte() {}

  static Op lower(Insn insn) {
    return switch (insn.opcode) {
      case 0x2F0, 0x2F1 -> {
        if (insn.repeat == 0xF2) {
          yield new BitOps.Crc32(insn);
        }
        if (insn.repeat != 0 || !insn.memory) {
          yield null;
        }
        Place reg = Place.reg(insn, insn.size);
        Place rm = Place.rm(insn, insn.size);
        yield insn.opcode == 0x2F0
            ? new MoveOps.MoveSwapped(insn, reg, rm)
            : new MoveOps.MoveSwapped(insn, rm, reg);
      }
      case 0x2F6 ->
          insn.mandatory() == 0x66 || insn.mandatory() == 0xF3
              ? new BitOps.AddWithChain(insn)
              : null;
      default -> null;
    };
  }
}
