package dev.domus.engine.jvm;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Just enough of Linux to run a statically linked program on the engine: its loader and a dozen
 * system calls.
 */
final class UserProgram {
  private static final long STACK_TOP = 0x7FFF_FFFF_0000L;
  private static final int STACK_PAGES = 64;
  private static final long ENOSYS = -38, EINVAL = -22, ENOENT = -2, ENOTTY = -25;
  private static final long MMAP_BASE = 0x7000_0000_0000L;

  final ByteArrayOutputStream output = new ByteArrayOutputStream();
  final TestMachine machine = new TestMachine(8192);
  final TestVcpu vcpu = machine.vcpu();
  private final CpuState s = vcpu.state;
  private long programBreak;
  private long nextMap = MMAP_BASE;
  int status = -1;

  UserProgram(Path elf, String name) throws IOException {
    byte[] bytes = Files.readAllBytes(elf);
    ByteBuffer b = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    long headers = b.getLong(32);
    int count = b.getShort(56);
    long headersAt = 0;
    for (int n = 0; n < count; n++) {
      int at = (int) headers + 56 * n;
      if (b.getInt(at) != 1) {
        continue;
      }
      long offset = b.getLong(at + 8);
      long va = b.getLong(at + 16);
      int fileSize = (int) b.getLong(at + 32);
      long end = va + b.getLong(at + 40);
      ensure(va & -4096, end);
      machine.write(va, java.util.Arrays.copyOfRange(bytes, (int) offset, (int) offset + fileSize));
      programBreak = Math.max(programBreak, end + 4095 & -4096);
      if (offset == 0) {
        headersAt = va + headers;
      }
    }
    s.rip = b.getLong(24);
    machine.map(STACK_TOP - STACK_PAGES * 4096L, STACK_PAGES, TestMachine.WRITABLE);
    stack(name, headersAt, count);
  }

  private void ensure(long from, long end) {
    for (long va = from; va < end; va += 4096) {
      if ((machine.get(machine.entryAddress(machine.cr3, va)) & 1) == 0) {
        machine.map(va, 1, TestMachine.WRITABLE);
      }
    }
  }

  private void stack(String name, long headersAt, int count) {
    long text = STACK_TOP - 256;
    machine.write(text, (name + "\0").getBytes(StandardCharsets.US_ASCII));
    long[] words = {
      1,
      text,
      0,
      0,
      3,
      headersAt,
      4,
      56,
      5,
      count,
      6,
      4096,
      9,
      s.rip,
      25,
      STACK_TOP - 64,
      23,
      0,
      0,
      0
    };
    long rsp = STACK_TOP - 1024 & -16;
    for (int n = 0; n < words.length; n++) {
      machine.set(machine.machineAddress(rsp + 8L * n), words[n]);
    }
    s.gpr[CpuState.RSP] = rsp;
  }

  /** Runs to the end, in portions of {@code budget} instructions. */
  void run(long budget) {
    while (status < 0) {
      Exit exit = vcpu.engine.run(budget);
      if (exit == Exit.SYSCALL) {
        s.gpr[CpuState.RAX] =
            call(
                (int) s.gpr[CpuState.RAX],
                s.gpr[CpuState.RDI],
                s.gpr[CpuState.RSI],
                s.gpr[CpuState.RDX]);
      } else if (exit != Exit.BUDGET) {
        throw new IllegalStateException(
            exit
                + " vector="
                + s.exitVector
                + " rip="
                + Long.toHexString(s.rip)
                + " cr2="
                + Long.toHexString(s.exitAddress)
                + " after instructions="
                + s.retired
                + "\n"
                + output);
      }
    }
  }

  private long call(int number, long a, long b, long d) {
    switch (number) {
      case 1 -> {
        output.writeBytes(machine.read(b, (int) d));
        return d;
      }
      case 9 -> {
        long at = nextMap;
        nextMap += b + 4095 & -4096;
        ensure(at, nextMap);
        return at;
      }
      case 10, 11, 273, 14, 13 -> {
        return 0;
      }
      case 12 -> {
        if (a > programBreak) {
          ensure(programBreak, a);
          programBreak = a;
        }
        return programBreak;
      }
      case 16 -> {
        return ENOTTY;
      }
      case 158 -> {
        if (a != 0x1002) {
          return EINVAL;
        }
        s.fsBase = b;
        return 0;
      }
      case 218 -> {
        return 1;
      }
      case 231, 60 -> {
        status = (int) a;
        return 0;
      }
      case 89, 267 -> {
        return ENOENT;
      }
      default -> {
        return ENOSYS;
      }
    }
  }
}
