package dev.domus.kernel.pci;

import dev.domus.kernel.device.Registers;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The registers of one region, in an array. Words are little-endian and accessed with acquire and
 * release.
 */
final class RegisterImage implements Registers {
  private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();
  private static final VarHandle SHORT = ValueLayout.JAVA_SHORT.varHandle();
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  private final MemorySegment words;

  /** All zero. */
  RegisterImage(long bytes) {
    words = MemorySegment.ofArray(new long[Math.toIntExact(bytes / Long.BYTES)]);
  }

  @Override
  public void set(long offset, int size, long value) {
    checkAligned(offset, size);
    switch (size) {
      case 1 -> BYTE.setRelease(words, offset, (byte) value);
      case 2 -> SHORT.setRelease(words, offset, (short) value);
      case 4 -> INT.setRelease(words, offset, (int) value);
      default -> LONG.setRelease(words, offset, value);
    }
  }

  @Override
  public long get(long offset, int size) {
    checkAligned(offset, size);
    return switch (size) {
      case 1 -> (byte) BYTE.getAcquire(words, offset) & 0xffL;
      case 2 -> (short) SHORT.getAcquire(words, offset) & 0xffffL;
      case 4 -> (int) INT.getAcquire(words, offset) & 0xffff_ffffL;
      default -> (long) LONG.getAcquire(words, offset);
    };
  }

  @Override
  public void clear() {
    words.fill((byte) 0);
    VarHandle.releaseFence();
  }

  private static void checkAligned(long offset, int size) {
    if (size != 1 && size != 2 && size != 4 && size != 8 || (offset & size - 1) != 0) {
      throw new IndexOutOfBoundsException(
          "a register is 1, 2, 4 or 8 bytes, aligned: offset=0x%x size=%d".formatted(offset, size));
    }
  }
}
