package dev.domus.engine.jvm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The host's processor as an oracle: executes one instruction with a given register image.
 *
 * <pre>
 *   page 0        code: save the caller's registers, load the image, the instruction, store the image, return
 *   page 1        the image: 16 general registers, RFLAGS, the caller's RSP; 512 bytes of FXSAVE at 0x400
 *   page 8 to 23  memory that the instruction may use; RSP must point into it, for a signal may arrive at any time
 * </pre>
 *
 * <p>Nothing here catches faults: an instruction that faults kills the JVM. Who calls must know
 * that it does not.
 */
final class HostCpu {
  static final int SCRATCH = 8 * 4096;
  static final int SCRATCH_BYTES = 16 * 4096;
  private static final int IMAGE = 4096;
  private static final int FLAGS = IMAGE + 128;
  private static final int SAVED_RSP = IMAGE + 136;
  private static final int FX = IMAGE + 0x400;
  private static final int BYTES = SCRATCH + SCRATCH_BYTES;
  private static final int LONGEST = 15;

  private final MemorySegment area;
  private final MethodHandle call;
  private final int instructionAt;

  @SuppressWarnings(
      "restricted") // mmap of executable memory: the point of this class; BYTES is what was mapped
  HostCpu() {
    Linker linker = Linker.nativeLinker();
    try {
      MethodHandle mmap =
          linker.downcallHandle(
              linker.defaultLookup().find("mmap").orElseThrow(),
              FunctionDescriptor.of(
                  ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
      MemorySegment raw =
          (MemorySegment) mmap.invokeExact(MemorySegment.NULL, (long) BYTES, 7, 0x22, -1, 0L);
      if (raw.address() == -1) {
        throw new IllegalStateException("no executable memory: mmap failed");
      }
      area = raw.reinterpret(BYTES);
      call = linker.downcallHandle(area, FunctionDescriptor.ofVoid());
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
    instructionAt = assemble();
  }

  /** Whether this host can be the oracle. */
  static boolean isPossible() {
    return System.getProperty("os.arch").equals("amd64")
        && System.getProperty("os.name").equals("Linux");
  }

  long scratchAddress() {
    return area.address() + SCRATCH;
  }

  MemorySegment scratch() {
    return area.asSlice(SCRATCH, SCRATCH_BYTES);
  }

  /** The FXSAVE image, loaded before and stored after the instruction. */
  MemorySegment fx() {
    return area.asSlice(FX, 512);
  }

  private int assemble() {
    ByteArrayOutputStream code = new ByteArrayOutputStream();
    emit(
        code, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57,
        0x9C); // push rbx rbp r12-r15, pushf
    emit(code, 0x48, 0x83, 0xEC, 0x08); // sub rsp, 8: room for MXCSR and FCW
    emit(code, 0x0F, 0xAE, 0x1C, 0x24); // stmxcsr [rsp]
    emit(code, 0xD9, 0x7C, 0x24, 0x04); // fnstcw [rsp + 4]
    relative(code, SAVED_RSP, 0x48, 0x89, 0x25); // mov [saved], rsp
    relative(code, FX, 0x0F, 0xAE, 0x0D); // fxrstor
    relative(code, FLAGS, 0xFF, 0x35); // push [flags]
    emit(code, 0x9D); // popf
    for (int n = 0; n < 16; n++) {
      relative(code, IMAGE + 8 * n, 0x48 | n >> 3 << 2, 0x8B, 0x05 | (n & 7) << 3);
    }
    int at = code.size();
    for (int n = 0; n < LONGEST; n++) {
      emit(code, 0x90);
    }
    for (int n = 0; n < 16; n++) {
      relative(code, IMAGE + 8 * n, 0x48 | n >> 3 << 2, 0x89, 0x05 | (n & 7) << 3);
    }
    relative(code, SAVED_RSP, 0x48, 0x8B, 0x25);
    emit(code, 0x9C); // pushf
    relative(code, FLAGS, 0x8F, 0x05); // pop [flags]
    emit(code, 0xFC); // cld
    relative(code, FX, 0x0F, 0xAE, 0x05); // fxsave
    emit(code, 0xDB, 0xE3); // fninit
    emit(code, 0xD9, 0x6C, 0x24, 0x04); // fldcw
    emit(code, 0x0F, 0xAE, 0x14, 0x24); // ldmxcsr
    emit(code, 0x48, 0x83, 0xC4, 0x08);
    emit(code, 0x9D, 0x41, 0x5F, 0x41, 0x5E, 0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B, 0xC3);
    MemorySegment.copy(code.toByteArray(), 0, area, JAVA_BYTE, 0, code.size());
    return at;
  }

  private static void emit(ByteArrayOutputStream code, int... bytes) {
    for (int b : bytes) {
      code.write(b);
    }
  }

  private static void relative(ByteArrayOutputStream code, int target, int... opcode) {
    emit(code, opcode);
    int disp = target - (code.size() + 4);
    emit(code, disp, disp >> 8, disp >> 16, disp >> 24);
  }

  /** Puts an instruction in place; the rest is NOPs. */
  void instruction(byte[] bytes) {
    for (int n = 0; n < LONGEST; n++) {
      area.set(JAVA_BYTE, instructionAt + n, n < bytes.length ? bytes[n] : (byte) 0x90);
    }
  }

  /**
   * Executes it: the arrays hold the state before, then the state after. {@code regs[16]} is
   * RFLAGS.
   */
  void execute(long[] regs) {
    MemorySegment.copy(regs, 0, area, JAVA_LONG_UNALIGNED, IMAGE, 17);
    try {
      call.invokeExact();
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
    MemorySegment.copy(area, JAVA_LONG_UNALIGNED, IMAGE, regs, 0, 17);
  }
}
