package dev.domus.kernel.domain;

import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.paging.PageWalk;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The hypervisor's access to a guest's memory by the guest's own virtual addresses: hypercall
 * arguments, trap frames, descriptors.
 *
 * <p>Accesses go through the vCPU's current page tables with supervisor rights: a page has to be
 * present to be read and writable to be written (xen-pv-abi.md, section 1). The address must not
 * touch the hypervisor's range (XSA-212): every access checks that before it walks. Each call reads
 * each byte once, so a check of what it returned cannot be undone by another vCPU. A failing access
 * throws {@link GuestFault#EFAULT}; a store that crosses pages is checked on all of them first, so
 * that it happens wholly or not at all.
 *
 * <p><b>Stale translations.</b> A frame may be freed as soon as every vCPU of the domain has given
 * up its translations, and another vCPU may ask for that at any moment. What is translated here is
 * therefore used between {@link Vcpu#beginAccess} and {@link Vcpu#endAccess}, which for that time
 * make the vCPU one whose flush has to be waited for.
 *
 * <p>Called by the pCPU thread that runs the vCPU.
 */
public sealed class GuestAccess permits ArgumentAccess {
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  private final Vcpu vcpu;
  private final MemorySegment memory;
  private final CodeFrames codeFrames;

  GuestAccess(Vcpu vcpu, MemorySegment memory, CodeFrames codeFrames) {
    this.vcpu = vcpu;
    this.memory = memory;
    this.codeFrames = codeFrames;
  }

  /**
   * Says whether a guest may pass this range to a hypercall: canonical, and wholly outside the
   * hypervisor's range.
   *
   * @param length in bytes, not negative
   */
  public static boolean addressOk(long va, long length) {
    long last = va + Math.max(length, 1) - 1;
    return va >= 0
        ? last >= va && last <= 0x00007FFF_FFFFFFFFL
        : va >= 0xFFFF8800_00000000L && last >= va && last < 0;
  }

  /** Reads one byte, zero-extended. */
  public int getByte(long va) {
    return (int) load(va, 1);
  }

  /** Reads two bytes, zero-extended. */
  public int getShort(long va) {
    return (int) load(va, 2);
  }

  /** Reads four bytes. */
  public int getInt(long va) {
    return (int) load(va, 4);
  }

  /** Reads eight bytes. */
  public long getLong(long va) {
    return load(va, 8);
  }

  /** Writes the low byte. */
  public void putByte(long va, int value) {
    store(va, value, 1);
  }

  /** Writes the low two bytes. */
  public void putShort(long va, int value) {
    store(va, value, 2);
  }

  /** Writes four bytes. */
  public void putInt(long va, int value) {
    store(va, value, 4);
  }

  /** Writes eight bytes. */
  public void putLong(long va, long value) {
    store(va, value, 8);
  }

  /** Copies from the guest. */
  public void read(long va, MemorySegment target, long offset, int length) {
    check(va, length);
    vcpu.beginAccess();
    try {
      for (int done = 0; done < length; ) {
        int chunk = chunk(va + done, length - done);
        MemorySegment.copy(memory, translate(va + done, 0), target, offset + done, chunk);
        done += chunk;
      }
    } finally {
      vcpu.endAccess();
    }
  }

  /**
   * Copies as many records as lie in the first one's page, at least that one.
   *
   * @param recordWords 64-bit words in a record
   * @param most how many records at most, at least 1
   * @return how many were copied
   */
  public int readWords(long va, long[] target, int recordWords, int most) {
    int size = 8 * recordWords;
    int count = Math.min(most, chunk(va, Integer.MAX_VALUE) / size);
    if (count == 0) {
      for (int i = 0; i < recordWords; i++) {
        target[i] = getLong(va + 8L * i);
      }
      return 1;
    }
    check(va, (long) count * size);
    vcpu.beginAccess();
    try {
      long ma = translate(va, 0);
      for (int i = 0; i < count * recordWords; i++) {
        target[i] = memory.get(LONG, ma + 8L * i);
      }
    } finally {
      vcpu.endAccess();
    }
    return count;
  }

  /**
   * Copies as many records as lie in the first one's page, at least that one.
   *
   * @param target where they go, from its first byte on
   * @param size of a record, in bytes
   * @param most how many records at most, at least 1
   * @return how many were copied
   */
  public int readRecords(long va, MemorySegment target, int size, int most) {
    int count = Math.max(1, Math.min(most, chunk(va, Integer.MAX_VALUE) / size));
    read(va, target, 0, count * size);
    return count;
  }

  /** Copies to the guest, wholly or not at all. */
  public void write(long va, MemorySegment source, long offset, int length) {
    if (chunk(va, length) < length) { // in one page the store itself is check enough
      requireWritable(va, length);
    } else {
      check(va, length);
    }
    vcpu.beginAccess();
    try {
      for (int done = 0; done < length; ) {
        int chunk = chunk(va + done, length - done);
        long ma = translate(va + done, PageWalk.WRITE);
        MemorySegment.copy(source, offset + done, memory, ma, chunk);
        codeFrames.written(ma >>> 12);
        done += chunk;
      }
    } finally {
      vcpu.endAccess();
    }
  }

  /**
   * Writes the low two bytes of values at equal distances, wholly or not at all if all lie in one
   * page.
   *
   * @param stride the distance, in bytes
   * @param count how many of the values, at least 1
   */
  public void putShorts(long va, int stride, int[] values, int count) {
    int length = (count - 1) * stride + Short.BYTES;
    if (crosses(va, length)) {
      for (int i = 0; i < count; i++) {
        store(va + (long) i * stride, values[i], Short.BYTES);
      }
      return;
    }
    check(va, length);
    vcpu.beginAccess();
    try {
      long ma = translate(va, PageWalk.WRITE);
      for (int i = 0; i < count; i++) {
        memory.set(SHORT, ma + (long) i * stride, (short) values[i]);
      }
      codeFrames.written(ma >>> 12);
    } finally {
      vcpu.endAccess();
    }
  }

  /** Throws unless every byte of the range could be written. */
  public void requireWritable(long va, long length) {
    check(va, length);
    for (long at = va; at - va < length; at = (at | 0xFFF) + 1) {
      if (walk(at, PageWalk.WRITE) < 0) {
        throw GuestFault.EFAULT;
      }
    }
  }

  /** Throws unless every byte of the range could be read. */
  public void requireReadable(long va, long length) {
    check(va, length);
    for (long at = va; at - va < length; at = (at | 0xFFF) + 1) {
      if (walk(at, 0) < 0) {
        throw GuestFault.EFAULT;
      }
    }
  }

  /**
   * Translates an address without faulting. The walk itself is an access too: it reads tables and
   * marks entries. The answer says what was mapped; it may be stale when this returns, and nothing
   * may be read or written by it.
   *
   * @param access as in {@link PageWalk#walk}
   * @return as {@link PageWalk#walk}: a translation or a fault
   */
  public long walk(long va, int access) {
    vcpu.beginAccess();
    try {
      return PageWalk.walk(memory, vcpu.state().cr3, va, access);
    } finally {
      vcpu.endAccess();
    }
  }

  private static void check(long va, long length) {
    if (!addressOk(va, length)) {
      throw GuestFault.EFAULT;
    }
  }

  /** Between {@link Vcpu#beginAccess} and {@link Vcpu#endAccess}, and good until then. */
  private long translate(long va, int access) {
    long translation = PageWalk.walk(memory, vcpu.state().cr3, va, access);
    if (translation < 0) {
      throw GuestFault.EFAULT;
    }
    return PageWalk.frameAddress(translation) | va & 0xFFF;
  }

  private static boolean crosses(long va, int length) {
    return (va & 0xFFF) > 0x1000 - length;
  }

  private static int chunk(long va, int left) {
    return (int) Math.min(left, 0x1000 - (va & 0xFFF));
  }

  long load(long va, int length) {
    check(va, length);
    vcpu.beginAccess();
    try {
      if (crosses(va, length)) {
        return gather(va, length);
      }
      long ma = translate(va, 0);
      return switch (length) {
        case 1 -> memory.get(ValueLayout.JAVA_BYTE, ma) & 0xFF;
        case 2 -> memory.get(SHORT, ma) & 0xFFFF;
        case 4 -> memory.get(INT, ma);
        default -> memory.get(LONG, ma);
      };
    } finally {
      vcpu.endAccess();
    }
  }

  private long gather(long va, int length) {
    long value = 0;
    for (int i = 0; i < length; i++) {
      long b = memory.get(ValueLayout.JAVA_BYTE, translate(va + i, 0)) & 0xFF;
      value |= b << 8 * i;
    }
    return length == 4 ? (int) value : value;
  }

  void store(long va, long value, int length) {
    check(va, length);
    vcpu.beginAccess();
    try {
      if (crosses(va, length)) {
        scatter(va, value, length);
        return;
      }
      long ma = translate(va, PageWalk.WRITE);
      switch (length) {
        case 1 -> memory.set(ValueLayout.JAVA_BYTE, ma, (byte) value);
        case 2 -> memory.set(SHORT, ma, (short) value);
        case 4 -> memory.set(INT, ma, (int) value);
        default -> memory.set(LONG, ma, value);
      }
      codeFrames.written(ma >>> 12);
    } finally {
      vcpu.endAccess();
    }
  }

  private void scatter(long va, long value, int length) {
    translate(va, PageWalk.WRITE);
    translate(va + length - 1, PageWalk.WRITE);
    for (int i = 0; i < length; i++) {
      long ma = translate(va + i, PageWalk.WRITE);
      memory.set(ValueLayout.JAVA_BYTE, ma, (byte) (value >>> 8 * i));
      codeFrames.written(ma >>> 12);
    }
  }
}
