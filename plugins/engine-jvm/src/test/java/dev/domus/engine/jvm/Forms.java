package dev.domus.engine.jvm;

import static dev.domus.engine.jvm.Form.AF;
import static dev.domus.engine.jvm.Form.CF;
import static dev.domus.engine.jvm.Form.OF;
import static dev.domus.engine.jvm.Form.PF;
import static dev.domus.engine.jvm.Form.SF;
import static dev.domus.engine.jvm.Form.ZF;

import dev.domus.engine.jvm.Form.Operands;
import java.util.ArrayList;
import java.util.List;

/**
 * The integer instructions that the host is asked about, with the flags that the manuals leave
 * undefined for each.
 */
final class Forms {
  private static final int[] ALL_SIZES = {1, 2, 4, 8};
  private static final int[] WIDE_SIZES = {2, 4, 8};
  private final List<Form> forms = new ArrayList<>();

  private Forms() {}

  static List<Form> integer() {
    Forms f = new Forms();
    f.arithmetic();
    f.moves();
    f.shifts();
    f.bits();
    f.multiplication();
    f.stack();
    f.strings();
    f.threeByte();
    return f.forms;
  }

  private static int[] op(int... bytes) {
    return bytes;
  }

  /**
   * With a register and with a memory operand, in each size; the opcode's low bit says byte or not.
   */
  private void both(
      String name,
      int prefix,
      int[] sizes,
      int digit,
      int immediate,
      long undefined,
      int... opcode) {
    for (int size : sizes) {
      int[] bytes = opcode.clone();
      if (sizes == ALL_SIZES) {
        bytes[bytes.length - 1] |= size == 1 ? 0 : 1;
      }
      int imm = immediate == 9 ? Math.min(size, 4) : immediate;
      forms.add(new Form(name, prefix, bytes, size, digit, Operands.REGISTER, imm, undefined));
      forms.add(new Form(name, prefix, bytes, size, digit, Operands.MEMORY, imm, undefined));
    }
  }

  private void plain(String name, int[] sizes, int immediate, long undefined, int... opcode) {
    for (int size : sizes) {
      int[] bytes = opcode.clone();
      if (sizes == ALL_SIZES) {
        bytes[bytes.length - 1] |= size == 1 ? 0 : 1;
      }
      int imm = immediate == 9 ? Math.min(size, 4) : immediate;
      forms.add(new Form(name, 0, bytes, size, -1, Operands.NONE, imm, undefined));
    }
  }

  private void arithmetic() {
    String[] names = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
    for (int n = 0; n < 8; n++) {
      long undefined = n == 1 || n == 4 || n == 6 ? AF : 0;
      both(names[n], 0, ALL_SIZES, -1, 0, undefined, n << 3);
      both(names[n], 0, ALL_SIZES, -1, 0, undefined, n << 3 | 2);
      plain(names[n], ALL_SIZES, 9, undefined, n << 3 | 4);
      both(names[n], 0, ALL_SIZES, n, 9, undefined, 0x80);
      both(names[n], 0, WIDE_SIZES, n, 1, undefined, 0x83);
      if (n != 7) {
        lockedMemory("lock " + names[n], -1, 0, undefined, n << 3);
        lockedMemory("lock " + names[n], n, 9, undefined, 0x80);
      }
    }
    both("test", 0, ALL_SIZES, -1, 0, AF, 0x84);
    plain("test", ALL_SIZES, 9, AF, 0xA8);
    both("test", 0, ALL_SIZES, 0, 9, AF, 0xF6);
    both("not", 0, ALL_SIZES, 2, 0, 0, 0xF6);
    both("neg", 0, ALL_SIZES, 3, 0, 0, 0xF6);
    both("inc", 0, ALL_SIZES, 0, 0, 0, 0xFE);
    both("dec", 0, ALL_SIZES, 1, 0, 0, 0xFE);
    for (int digit = 2; digit <= 3; digit++) {
      lockedMemory(digit == 2 ? "lock not" : "lock neg", digit, 0, 0, 0xF6);
    }
    lockedMemory("lock inc", 0, 0, 0, 0xFE);
    lockedMemory("lock dec", 1, 0, 0, 0xFE);
    both("xadd", 0, ALL_SIZES, -1, 0, 0, 0x0F, 0xC0);
    lockedMemory("lock xadd", -1, 0, 0, 0x0F, 0xC0);
    both("cmpxchg", 0, ALL_SIZES, -1, 0, 0, 0x0F, 0xB0);
    lockedMemory("lock cmpxchg", -1, 0, 0, 0x0F, 0xB0);
    memory("cmpxchg8b", 4, 1, 0x0F, 0xC7);
    for (int op : new int[] {0xF5, 0xF8, 0xF9, 0xFC, 0xFD, 0x9E, 0x9F, 0x90}) {
      forms.add(new Form("flag op", 0, op(op), 4, -1, Operands.NONE, 0, 0));
    }
  }

  private void memory(String name, int size, int digit, int... opcode) {
    if (opcode.length > 1) {
      forms.add(new Form(name, 0, opcode, size, digit, Operands.MEMORY, 0, 0));
    }
  }

  private void lockedMemory(String name, int digit, int immediate, long undefined, int... opcode) {
    for (int size : ALL_SIZES) {
      int[] bytes = opcode.clone();
      bytes[bytes.length - 1] |= size == 1 ? 0 : 1;
      int imm = immediate == 9 ? Math.min(size, 4) : immediate;
      forms.add(new Form(name, 0xF0, bytes, size, digit, Operands.MEMORY, imm, undefined));
    }
  }

  private void moves() {
    both("mov", 0, ALL_SIZES, -1, 0, 0, 0x88);
    both("mov", 0, ALL_SIZES, -1, 0, 0, 0x8A);
    both("mov imm", 0, ALL_SIZES, 0, 9, 0, 0xC6);
    both("xchg", 0, ALL_SIZES, -1, 0, 0, 0x86);
    for (int size : WIDE_SIZES) {
      forms.add(new Form("mov imm", 0, op(0xB8), size, -1, Operands.IN_OPCODE, size, 0));
      forms.add(new Form("xchg a", 0, op(0x90), size, -1, Operands.IN_OPCODE, 0, 0));
    }
    forms.add(new Form("mov imm8", 0, op(0xB0), 1, -1, Operands.IN_OPCODE, 1, 0));
    forms.add(new Form("bswap", 0, op(0x0F, 0xC8), 4, -1, Operands.IN_OPCODE, 0, 0));
    forms.add(new Form("bswap", 0, op(0x0F, 0xC8), 8, -1, Operands.IN_OPCODE, 0, 0));
    both("movzx8", 0, WIDE_SIZES, -1, 0, 0, 0x0F, 0xB6);
    both("movzx16", 0, WIDE_SIZES, -1, 0, 0, 0x0F, 0xB7);
    both("movsx8", 0, WIDE_SIZES, -1, 0, 0, 0x0F, 0xBE);
    both("movsx16", 0, WIDE_SIZES, -1, 0, 0, 0x0F, 0xBF);
    both("movsxd", 0, WIDE_SIZES, -1, 0, 0, 0x63);
    for (int size : WIDE_SIZES) {
      forms.add(new Form("lea", 0, op(0x8D), size, -1, Operands.MEMORY, 0, 0));
      forms.add(new Form("movbe load", 0, op(0x0F, 0x38, 0xF0), size, -1, Operands.MEMORY, 0, 0));
      forms.add(new Form("movbe store", 0, op(0x0F, 0x38, 0xF1), size, -1, Operands.MEMORY, 0, 0));
    }
    for (int size : new int[] {4, 8}) {
      forms.add(new Form("movnti", 0, op(0x0F, 0xC3), size, -1, Operands.MEMORY, 0, 0));
    }
    plain("cbw", WIDE_SIZES, 0, 0, 0x98);
    plain("cwd", WIDE_SIZES, 0, 0, 0x99);
    for (int code = 0; code < 16; code++) {
      both("cmov" + code, 0, WIDE_SIZES, -1, 0, 0, 0x0F, 0x40 | code);
      both("set" + code, 0, new int[] {1}, 0, 0, 0, 0x0F, 0x90 | code);
    }
    both("nop", 0, WIDE_SIZES, 0, 0, 0, 0x0F, 0x1F);
  }

  private void shifts() {
    String[] names = {"rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar"};
    for (int n = 0; n < 8; n++) {
      long undefined = n >= 4 ? OF | AF | CF : OF; // made precise for each count by the test
      both(names[n] + " 1", 0, ALL_SIZES, n, 0, n >= 4 ? AF : 0, 0xD0);
      both(names[n] + " cl", 0, ALL_SIZES, n, 0, undefined, 0xD2);
      both(names[n] + " imm", 0, ALL_SIZES, n, 1, undefined, 0xC0);
    }
    both("shld imm", 0, WIDE_SIZES, -1, 1, OF | AF, 0x0F, 0xA4);
    both("shld cl", 0, WIDE_SIZES, -1, 0, OF | AF, 0x0F, 0xA5);
    both("shrd imm", 0, WIDE_SIZES, -1, 1, OF | AF, 0x0F, 0xAC);
    both("shrd cl", 0, WIDE_SIZES, -1, 0, OF | AF, 0x0F, 0xAD);
  }

  private void bits() {
    int[] opcodes = {0xA3, 0xAB, 0xB3, 0xBB};
    for (int n = 0; n < 4; n++) {
      long undefined = OF | SF | AF | PF;
      both("bt" + n, 0, WIDE_SIZES, -1, 0, undefined, 0x0F, opcodes[n]);
      both("bt imm" + n, 0, WIDE_SIZES, 4 + n, 1, undefined, 0x0F, 0xBA);
      if (n > 0) {
        for (int size : WIDE_SIZES) {
          forms.add(
              new Form(
                  "lock bt" + n,
                  0xF0,
                  op(0x0F, opcodes[n]),
                  size,
                  -1,
                  Operands.MEMORY,
                  0,
                  undefined));
        }
      }
    }
    both("bsf", 0, WIDE_SIZES, -1, 0, CF | OF | SF | AF | PF, 0x0F, 0xBC);
    both("bsr", 0, WIDE_SIZES, -1, 0, CF | OF | SF | AF | PF, 0x0F, 0xBD);
    both("tzcnt", 0xF3, WIDE_SIZES, -1, 0, OF | SF | AF | PF, 0x0F, 0xBC);
    both("lzcnt", 0xF3, WIDE_SIZES, -1, 0, OF | SF | AF | PF, 0x0F, 0xBD);
    both("popcnt", 0xF3, WIDE_SIZES, -1, 0, 0, 0x0F, 0xB8);
  }

  private void multiplication() {
    both("mul", 0, ALL_SIZES, 4, 0, SF | ZF | AF | PF, 0xF6);
    both("imul", 0, ALL_SIZES, 5, 0, SF | ZF | AF | PF, 0xF6);
    both("div", 0, ALL_SIZES, 6, 0, CF | OF | SF | ZF | AF | PF, 0xF6);
    both("idiv", 0, ALL_SIZES, 7, 0, CF | OF | SF | ZF | AF | PF, 0xF6);
    both("imul2", 0, WIDE_SIZES, -1, 0, SF | ZF | AF | PF, 0x0F, 0xAF);
    both("imul3", 0, WIDE_SIZES, -1, 9, SF | ZF | AF | PF, 0x69);
    both("imul3 imm8", 0, WIDE_SIZES, -1, 1, SF | ZF | AF | PF, 0x6B);
  }

  private void stack() {
    for (int size : new int[] {2, 4}) {
      forms.add(new Form("push", 0, op(0x50), size, -1, Operands.IN_OPCODE, 0, 0));
      forms.add(new Form("pop", 0, op(0x58), size, -1, Operands.IN_OPCODE, 0, 0));
      forms.add(new Form("push imm", 0, op(0x68), size, -1, Operands.NONE, size, 0));
      forms.add(new Form("push imm8", 0, op(0x6A), size, -1, Operands.NONE, 1, 0));
      forms.add(new Form("push m", 0, op(0xFF), size, 6, Operands.MEMORY, 0, 0));
      forms.add(new Form("pop m", 0, op(0x8F), size, 0, Operands.MEMORY, 0, 0));
      forms.add(new Form("pop r", 0, op(0x8F), size, 0, Operands.REGISTER, 0, 0));
      forms.add(new Form("pushf", 0, op(0x9C), size, -1, Operands.NONE, 0, 0));
    }
    for (int level : new int[] {0, 1, 2, 5, 31}) {
      forms.add(new Form("enter", 0, op(0xC8, 0x20, 0, level), 4, -1, Operands.NONE, 0, 0));
    }
    forms.add(new Form("leave", 0, op(0xC9), 4, -1, Operands.NONE, 0, 0));
    forms.add(new Form("xlat", 0, op(0xD7), 4, -1, Operands.NONE, 0, 0));
  }

  private void strings() {
    for (int op : new int[] {0xA4, 0xA6, 0xAA, 0xAC, 0xAE}) {
      for (int prefix : new int[] {0, 0xF3, 0xF2}) {
        for (int size : ALL_SIZES) {
          forms.add(
              new Form(
                  "string", prefix, op(op | (size == 1 ? 0 : 1)), size, -1, Operands.NONE, 0, 0));
        }
      }
    }
  }

  private void threeByte() {
    for (int size : new int[] {4, 8}) {
      for (Operands operands : new Operands[] {Operands.REGISTER, Operands.MEMORY}) {
        forms.add(new Form("adcx", 0x66, op(0x0F, 0x38, 0xF6), size, -1, operands, 0, 0));
        forms.add(new Form("adox", 0xF3, op(0x0F, 0x38, 0xF6), size, -1, operands, 0, 0));
        forms.add(new Form("crc32 b", 0xF2, op(0x0F, 0x38, 0xF0), size, -1, operands, 0, 0));
        forms.add(new Form("crc32", 0xF2, op(0x0F, 0x38, 0xF1), size, -1, operands, 0, 0));
      }
    }
  }
}
