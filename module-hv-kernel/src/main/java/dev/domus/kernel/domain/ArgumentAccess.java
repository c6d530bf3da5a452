package dev.domus.kernel.domain;

import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.memory.CodeFrames;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Where a service domain's hypercalls find their arguments: a buffer of the Java heap, which its
 * library has filled, at addresses of its own from {@link #BASE} on. A hypercall reads and writes
 * it as it does a guest's memory, and finds nothing else there: every other address is a fault.
 *
 * <p>Used by the thread that makes the call.
 */
public final class ArgumentAccess extends GuestAccess {
  /** Address of the first byte; 0 stays the null pointer. */
  public static final long BASE = 0x1000;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  private final MemorySegment buffer;

  ArgumentAccess(Vcpu vcpu, MemorySegment memory, CodeFrames codeFrames, MemorySegment buffer) {
    super(vcpu, memory, codeFrames);
    this.buffer = buffer;
  }

  private long offset(long va, long length) {
    long offset = va - BASE;
    if (offset < 0 || length < 0 || offset > buffer.byteSize() - length) {
      throw GuestFault.EFAULT;
    }
    return offset;
  }

  @Override
  public void read(long va, MemorySegment target, long at, int length) {
    MemorySegment.copy(buffer, offset(va, length), target, at, length);
  }

  @Override
  public int readWords(long va, long[] target, int recordWords, int most) {
    long length = 8L * recordWords * most;
    MemorySegment.copy(buffer, offset(va, length), MemorySegment.ofArray(target), 0, length);
    return most;
  }

  @Override
  public void write(long va, MemorySegment source, long at, int length) {
    MemorySegment.copy(source, at, buffer, offset(va, length), length);
  }

  @Override
  public void putShorts(long va, int stride, int[] values, int count) {
    for (int i = 0; i < count; i++) {
      store(va + (long) i * stride, values[i], Short.BYTES);
    }
  }

  @Override
  public void requireWritable(long va, long length) {
    offset(va, length);
  }

  @Override
  public void requireReadable(long va, long length) {
    offset(va, length);
  }

  /** There are no page tables here: every walk ends in a fault. */
  @Override
  public long walk(long va, int access) {
    return -1;
  }

  @Override
  long load(long va, int length) {
    long offset = offset(va, length);
    return switch (length) {
      case 1 -> buffer.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
      case 2 -> buffer.get(SHORT, offset) & 0xFFFF;
      case 4 -> buffer.get(INT, offset);
      default -> buffer.get(LONG, offset);
    };
  }

  @Override
  void store(long va, long value, int length) {
    long offset = offset(va, length);
    switch (length) {
      case 1 -> buffer.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
      case 2 -> buffer.set(SHORT, offset, (short) value);
      case 4 -> buffer.set(INT, offset, (int) value);
      default -> buffer.set(LONG, offset, value);
    }
  }
}
