package dev.domus.kernel.domain;

import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
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
 * <p>Called by the pCPU thread that runs the vCPU.
 */
public final class GuestAccess {
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
    check(va, 1);
    return memory.get(ValueLayout.JAVA_BYTE, translate(va, 0)) & 0xFF;
  }

  /** Reads two bytes, zero-extended. */
  public int getShort(long va) {
    check(va, 2);
    return crosses(va, 2) ? (int) gather(va, 2) : memory.get(SHORT, translate(va, 0)) & 0xFFFF;
  }

  /** Reads four bytes. */
  public int getInt(long va) {
    check(va, 4);
    return crosses(va, 4) ? (int) gather(va, 4) : memory.get(INT, translate(va, 0));
  }

  /** Reads eight bytes. */
  public long getLong(long va) {
    check(va, 8);
    return crosses(va, 8) ? gather(va, 8) : memory.get(LONG, translate(va, 0));
  }

  /** Writes the low two bytes. */
  public void putShort(long va, int value) {
    check(va, 2);
    if (crosses(va, 2)) {
      scatter(va, value, 2);
    } else {
      long ma = translate(va, PageWalk.WRITE);
      memory.set(SHORT, ma, (short) value);
      codeFrames.written(ma >>> 12);
    }
  }

  /** Writes four bytes. */
  public void putInt(long va, int value) {
    check(va, 4);
    if (crosses(va, 4)) {
      scatter(va, value, 4);
    } else {
      long ma = translate(va, PageWalk.WRITE);
      memory.set(INT, ma, value);
      codeFrames.written(ma >>> 12);
    }
  }

  /** Writes eight bytes. */
  public void putLong(long va, long value) {
    check(va, 8);
    if (crosses(va, 8)) {
      scatter(va, value, 8);
    } else {
      long ma = translate(va, PageWalk.WRITE);
      memory.set(LONG, ma, value);
      codeFrames.written(ma >>> 12);
    }
  }

  /** Copies from the guest. */
  public void read(long va, MemorySegment target, long offset, int length) {
    check(va, length);
    for (int done = 0; done < length; ) {
      int chunk = chunk(va + done, length - done);
      MemorySegment.copy(memory, translate(va + done, 0), target, offset + done, chunk);
      done += chunk;
    }
  }

  /** Copies to the guest, wholly or not at all. */
  public void write(long va, MemorySegment source, long offset, int length) {
    requireWritable(va, length);
    for (int done = 0; done < length; ) {
      int chunk = chunk(va + done, length - done);
      long ma = translate(va + done, PageWalk.WRITE);
      MemorySegment.copy(source, offset + done, memory, ma, chunk);
      codeFrames.written(ma >>> 12);
      done += chunk;
    }
  }

  /** Throws unless every byte of the range could be written. */
  public void requireWritable(long va, long length) {
    check(va, length);
    for (long at = va; at - va < length; at = (at | 0xFFF) + 1) {
      translate(at, PageWalk.WRITE);
    }
  }

  /** Throws unless every byte of the range could be read. */
  public void requireReadable(long va, long length) {
    check(va, length);
    for (long at = va; at - va < length; at = (at | 0xFFF) + 1) {
      translate(at, 0);
    }
  }

  /**
   * Translates an address without faulting.
   *
   * @param access as in {@link PageWalk#walk}
   * @return as {@link PageWalk#walk}: a translation or a fault
   */
  public long walk(long va, int access) {
    return PageWalk.walk(memory, vcpu.state().cr3, va, access);
  }

  private static void check(long va, long length) {
    if (!addressOk(va, length)) {
      throw GuestFault.EFAULT;
    }
  }

  private long translate(long va, int access) {
    long translation = walk(va, access);
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

  private long gather(long va, int length) {
    long value = 0;
    for (int i = 0; i < length; i++) {
      long b = memory.get(ValueLayout.JAVA_BYTE, translate(va + i, 0)) & 0xFF;
      value |= b << 8 * i;
    }
    return value;
  }

  private void scatter(long va, long value, int length) {
    requireWritable(va, length);
    for (int i = 0; i < length; i++) {
      long ma = translate(va + i, PageWalk.WRITE);
      memory.set(ValueLayout.JAVA_BYTE, ma, (byte) (value >>> 8 * i));
      codeFrames.written(ma >>> 12);
    }
  }

  /** Machine address of a page-table walk's L4 entry for an address, for crash reports. */
  long rootEntryAddress(long va) {
    return (vcpu.state().cr3 & Pte.ADDRESS_MASK) + 8L * Pte.index(va, 4);
  }
}
