package dev.domus.e2e;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

/** Kernels of a few instructions, written down as bytes: for ends that no decent guest comes to. */
final class TinyKernel {
  private static final int CODE = 0x1000;
  private static final int ADDRESS = 0x100000;

  private TinyKernel() {}

  /** A kernel that executes an undefined instruction, and has no trap table. */
  static Path crash(Path directory) throws IOException {
    return write(directory, "crash.elf", "0f0b"); // ud2
  }

  /** A kernel that runs for ever. */
  static Path loop(Path directory) throws IOException {
    return write(directory, "loop.elf", "ebfe"); // jmp to itself
  }

  /** A kernel that makes a hypercall that there is not, and then shuts down with a reason. */
  static Path shutdown(Path directory, int reason) throws IOException {
    return callAndShutDown(directory, "shutdown-" + reason + ".elf", 38, reason); // tmem_op
  }

  /** A kernel that writes nothing to the machine's console, which is not its, and powers off. */
  static Path usesTheMachinesConsole(Path directory) throws IOException {
    return callAndShutDown(directory, "console-io.elf", 18, 0); // console_io
  }

  private static Path callAndShutDown(Path directory, String name, int hypercall, int reason)
      throws IOException {
    return write(
        directory,
        name,
        "31ff" // xor edi, edi
            + "31f6" // xor esi, esi
            + "b8%02x000000".formatted(hypercall) // mov eax, hypercall
            + "0f05" // syscall
            + "bf02000000" // mov edi, 2 (SCHEDOP_shutdown)
            + "488d3509000000" // lea rsi, [rip + 9]
            + "b81d000000" // mov eax, 29 (sched_op)
            + "0f05" // syscall
            + "0f0b" // ud2: not reached
            + "%02x000000".formatted(reason)); // where rsi points
  }

  private static Path write(Path directory, String name, String code) throws IOException {
    byte[] instructions = HexFormat.of().parseHex(code);
    ByteBuffer file =
        ByteBuffer.allocate(CODE + instructions.length).order(ByteOrder.LITTLE_ENDIAN);
    file.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}).position(16);
    file.putShort((short) 2)
        .putShort((short) 62)
        .putInt(1)
        .putLong(ADDRESS)
        .putLong(64)
        .putLong(0)
        .putInt(0);
    file.putShort((short) 64).putShort((short) 56).putShort((short) 2);
    ByteBuffer notes = notes();
    file.position(64);
    header(file, 1, CODE, ADDRESS, instructions.length);
    header(file, 4, 0x200, 0, notes.remaining());
    file.put(0x200, notes, 0, notes.remaining());
    file.put(CODE, instructions);
    return Files.write(directory.resolve(name), file.array());
  }

  private static void header(ByteBuffer file, int type, long offset, long address, long size) {
    file.putInt(type)
        .putInt(5)
        .putLong(offset)
        .putLong(address)
        .putLong(address)
        .putLong(size)
        .putLong(size)
        .putLong(1);
  }

  private static ByteBuffer notes() {
    ByteBuffer notes = ByteBuffer.allocate(128).order(ByteOrder.LITTLE_ENDIAN);
    note(notes, 5, "xen-3.0\0");
    note(notes, 8, "generic\0");
    return notes.flip();
  }

  private static void note(ByteBuffer notes, int type, String text) {
    notes.putInt(4).putInt(text.length()).putInt(type);
    notes
        .put("Xen\0".getBytes(StandardCharsets.US_ASCII))
        .put(text.getBytes(StandardCharsets.US_ASCII));
  }
}
