package dev.domus.engine.jvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.Random;

/**
 * The same instruction with the same registers and memory on the host's processor and on the
 * engine, and the comparison of what comes out.
 */
final class Duel {
  /** Offsets in the scratch area: where the stack pointer starts, where operands are. */
  static final int STACK = 0x8000, OPERANDS = 0x9000;

  private static final int STACK_FROM = STACK - 0x180, STACK_BYTES = 0x200;
  private static final int OPERANDS_FROM = OPERANDS - 0x180, OPERANDS_BYTES = 0x380;
  static final long STATUS = 0x8D5;
  private static final long CODE = 0x10000;

  final HostCpu host = new HostCpu();
  final TestMachine machine = new TestMachine(128);
  final TestVcpu vcpu = machine.vcpu();
  private final long scratchMa;
  private final long codeMa;

  /** Registers to start from, to be filled in; [16] is RFLAGS. */
  final long[] before = new long[17];

  final long[] nativeAfter = new long[17];
  byte[] instruction;
  int cases;

  Duel() {
    machine.map(CODE, 1, TestMachine.WRITABLE);
    codeMa = machine.machineAddress(CODE);
    // frames of consecutive numbers, so that the scratch area is one piece of the segment
    long first = -1;
    long va = host.scratchAddress();
    machine.entryAddress(machine.cr3, va);
    machine.entryAddress(machine.cr3, va + HostCpu.SCRATCH_BYTES);
    for (int n = 0; n < HostCpu.SCRATCH_BYTES; n += 4096) {
      long mfn = machine.frame();
      first = first < 0 ? mfn : first;
      machine.mapFrame(machine.cr3, va + n, mfn, TestMachine.WRITABLE);
    }
    scratchMa = first << 12;
  }

  /** Chooses the instruction for the following cases. */
  void choose(byte[] bytes) {
    instruction = bytes;
    host.instruction(bytes);
    byte[] code = java.util.Arrays.copyOf(bytes, bytes.length + 1);
    code[bytes.length] = (byte) 0xCC;
    MemorySegment.copy(code, 0, machine.memory(), JAVA_BYTE, codeMa, code.length);
    machine.codeFrames().written(codeMa >>> 12);
  }

  /** Random registers and memory; RSP, RBX and R9 are set so that addresses work. */
  void randomize(Random random) {
    boolean equal = random.nextInt(5) == 0;
    long same = value(random);
    for (int n = 0; n < 16; n++) {
      before[n] = equal ? same : value(random);
    }
    before[CpuState.RSP] = host.scratchAddress() + STACK + 8 * random.nextInt(4);
    before[CpuState.RBX] =
        host.scratchAddress()
            + OPERANDS
            + random.nextInt(3) * 8
            + (random.nextInt(4) == 0 ? random.nextInt(8) : 0);
    before[CpuState.R9] = random.nextInt(8);
    before[16] = random.nextLong() & STATUS | CpuState.RFLAGS_ALWAYS;
    MemorySegment scratch = host.scratch();
    for (int n = 0; n < STACK_BYTES; n += 8) {
      scratch.set(JAVA_LONG_UNALIGNED, STACK_FROM + n, random.nextLong());
    }
    for (int n = 0; n < OPERANDS_BYTES; n += 8) {
      scratch.set(
          JAVA_LONG_UNALIGNED,
          OPERANDS_FROM + n,
          equal && random.nextBoolean() ? same : value(random));
    }
  }

  static long value(Random random) {
    return switch (random.nextInt(8)) {
      case 0 -> random.nextInt(4) - 2;
      case 1 -> 1L << random.nextInt(64);
      case 2 -> (1L << random.nextInt(64)) - 1;
      case 3 -> -(1L << random.nextInt(64));
      case 4 -> random.nextInt(256);
      case 5 -> 0x8080808080808080L ^ (random.nextBoolean() ? -1 : 0);
      default -> random.nextLong();
    };
  }

  /** Reads what the native run would read from memory, by its offset from the scratch area. */
  long scratchLong(long offset) {
    return host.scratch().get(JAVA_LONG_UNALIGNED, offset);
  }

  /** Gives the engine the state in {@link #before} and lets it run; memory is copied over. */
  Exit engine() {
    MemorySegment scratch = host.scratch();
    MemorySegment.copy(scratch, STACK_FROM, machine.memory(), scratchMa + STACK_FROM, STACK_BYTES);
    MemorySegment.copy(
        scratch, OPERANDS_FROM, machine.memory(), scratchMa + OPERANDS_FROM, OPERANDS_BYTES);
    CpuState s = vcpu.state;
    System.arraycopy(before, 0, s.gpr, 0, 16);
    s.rflags = before[16];
    s.rip = CODE;
    s.exitVector = -1;
    Exit exit;
    do {
      exit = vcpu.engine.run(1000);
    } while (exit == Exit.BUDGET);
    cases++;
    return exit;
  }

  /** Runs both and compares; returns a description of the first difference, or null. */
  String compare(long undefinedFlags) {
    Exit exit = engine();
    CpuState s = vcpu.state;
    if (exit != Exit.EXCEPTION || s.exitVector != 3) {
      return describe("engine ended with " + exit + " vector=" + s.exitVector);
    }
    System.arraycopy(before, 0, nativeAfter, 0, 17);
    host.execute(nativeAfter);
    for (int n = 0; n < 16; n++) {
      if (nativeAfter[n] != s.gpr[n]) {
        return describe(
            "register "
                + n
                + " host="
                + Long.toHexString(nativeAfter[n])
                + " engine="
                + Long.toHexString(s.gpr[n]));
      }
    }
    long flagMask = (STATUS | CpuState.DF) & ~undefinedFlags;
    if (((nativeAfter[16] ^ s.rflags) & flagMask) != 0) {
      return describe(
          "flags host="
              + Long.toHexString(nativeAfter[16] & flagMask)
              + " engine="
              + Long.toHexString(s.rflags & flagMask));
    }
    if (s.rip != CODE + instruction.length + 1) {
      return describe("rip=" + Long.toHexString(s.rip));
    }
    String memory = compareMemory(STACK_FROM, STACK_BYTES);
    return memory != null ? memory : compareMemory(OPERANDS_FROM, OPERANDS_BYTES);
  }

  private String compareMemory(int from, int bytes) {
    MemorySegment scratch = host.scratch().asSlice(from, bytes);
    long at = scratch.mismatch(machine.memory().asSlice(scratchMa + from, bytes));
    return at < 0
        ? null
        : describe(
            "memory at scratch+"
                + Long.toHexString(from + at)
                + " host="
                + Integer.toHexString(scratch.get(JAVA_BYTE, at) & 0xFF)
                + " engine="
                + Integer.toHexString(
                    machine.memory().get(JAVA_BYTE, scratchMa + from + at) & 0xFF));
  }

  String describe(String what) {
    StringBuilder text =
        new StringBuilder(HexFormat.ofDelimiter(" ").formatHex(instruction))
            .append(": ")
            .append(what)
            .append(" [");
    for (int n = 0; n < 17; n++) {
      text.append(' ').append(Long.toHexString(before[n]));
    }
    return text.append(" scratch=")
        .append(Long.toHexString(host.scratchAddress()))
        .append(']')
        .toString();
  }
}
