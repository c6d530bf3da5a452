package dev.domus.nvme;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A command as software makes it, with offsets as the specification has them (figure 105). */
final class Command {
  final ByteBuffer bytes = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);

  Command(int opcode, int namespace) {
    bytes.put(0, (byte) opcode);
    bytes.putInt(4, namespace);
  }

  static Command admin(int opcode) {
    return new Command(opcode, 0);
  }

  /** Read, Write, Compare, Write Zeroes: first block and number of blocks. */
  static Command io(int opcode, long block, int blocks) {
    return new Command(opcode, 1)
        .dword(10, (int) block)
        .dword(11, (int) (block >>> 32))
        .dword(12, blocks - 1);
  }

  Command dword(int number, int value) {
    bytes.putInt(number * 4, value);
    return this;
  }

  Command prp(long first, long second) {
    bytes.putLong(24, first);
    bytes.putLong(32, second);
    return this;
  }
}
