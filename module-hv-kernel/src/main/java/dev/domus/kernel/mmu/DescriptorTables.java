package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;

import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.paging.PageWalk;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * GDT and LDT of one vCPU (xen-pv-abi.md, section 7).
 *
 * <p>The GDT is up to 14 frames of the guest's, each held as a descriptor page. The LDT is a range
 * of virtual addresses, looked at only when a selector is used: {@link #attach} then finds the page
 * through the kernel's page tables and holds it as a descriptor page until the LDT or the kernel's
 * base pointer changes. So what {@link #descriptor} reads was checked, and nobody but the
 * hypervisor can write it.
 *
 * <p>Reading is done by the thread that runs the vCPU, from inside the engine, and takes no lock.
 * Changes are made by the same thread outside guest mode (or before the vCPU first runs), with the
 * MMU lock held.
 */
final class DescriptorTables {
  /** Most descriptors of an LDT. */
  static final int LDT_LIMIT = 8192;

  private static final int ENTRIES_A_FRAME = MachineMemory.FRAME_BYTES / Long.BYTES;
  private static final int TABLE_INDICATOR = 4;
  private static final int INDEX_SHIFT = 3;
  private static final long NONE = -1;

  /**
   * The hypervisor's descriptors that guests can load: flat, DPL 3, accessed. Index 7172 is
   * selector 0xE020 | RPL.
   */
  private static final int FIRST_FLAT = 7172;

  private static final long[] FLAT = {
    0x00CFFB000000FFFFL, // 0xE023: 32-bit code
    0x00CFF3000000FFFFL, // 0xE02B: data and stack
    0x00AFFB000000FFFFL, // 0xE033: 64-bit code
  };

  private final MemorySegment memory;
  private final TableTypes types;

  /** Frames of the GDT; entries from gdtFrameCount on mean nothing. */
  private final long[] gdtFrames = new long[SegmentDescriptors.GUEST_ENTRIES / ENTRIES_A_FRAME];

  private int gdtFrameCount;

  /** As many as the guest has said; all of a frame can be used. */
  private int gdtEntries;

  private long ldtBase;
  private int ldtEntries;

  /** Frames attached to pages of the LDT, or NONE. */
  private final long[] ldtFrames = new long[LDT_LIMIT / ENTRIES_A_FRAME];

  DescriptorTables(MemorySegment memory, TableTypes types) {
    this.memory = memory;
    this.types = types;
    Arrays.fill(ldtFrames, NONE);
  }

  /**
   * The descriptor that a selector names; 0 (not present) if it lies beyond its table or its LDT
   * page is not attached.
   */
  long descriptor(int selector) {
    int index = (selector & 0xFFFF) >>> INDEX_SHIFT;
    int page = index / ENTRIES_A_FRAME;
    if ((selector & TABLE_INDICATOR) != 0) {
      return index < ldtEntries && ldtFrames[page] != NONE ? load(ldtFrames[page], index) : 0;
    }
    if (page < gdtFrameCount) {
      return load(gdtFrames[page], index);
    }
    return index >= FIRST_FLAT && index < FIRST_FLAT + FLAT.length ? FLAT[index - FIRST_FLAT] : 0;
  }

  private long load(long mfn, int index) {
    return SegmentDescriptors.load(
        memory, (mfn << MachineMemory.FRAME_SHIFT) + (long) (index % ENTRIES_A_FRAME) * Long.BYTES);
  }

  // ---- GDT ----

  /**
   * Replaces the GDT, if all frames can be descriptor pages.
   *
   * @param mfns at least as many frames as the entries need
   * @return 0 or a negated error number
   */
  int setGdt(long[] mfns, int entries) {
    if (entries < 0 || entries > SegmentDescriptors.GUEST_ENTRIES) {
      return -EINVAL;
    }
    int count = Math.ceilDiv(entries, ENTRIES_A_FRAME);
    for (int i = 0; i < count; i++) {
      if (types.getDescriptors(mfns[i]) != 0) {
        while (--i >= 0) {
          types.putDescriptors(mfns[i]);
        }
        return -EINVAL;
      }
    }
    dropGdt();
    System.arraycopy(mfns, 0, gdtFrames, 0, count);
    gdtFrameCount = count;
    gdtEntries = entries;
    return 0;
  }

  private void dropGdt() {
    for (int i = 0; i < gdtFrameCount; i++) {
      types.putDescriptors(gdtFrames[i]);
    }
    gdtFrameCount = 0;
    gdtEntries = 0;
  }

  // ---- LDT ----

  /** Says whether an LDT may lie there. */
  static boolean ldtAllowed(long base, int entries) {
    return entries >= 0
        && entries <= LDT_LIMIT
        && (base & MachineMemory.FRAME_BYTES - 1) == 0
        && GuestRange.isOk(base, (long) entries * Long.BYTES);
  }

  /** Moves the LDT; its pages are looked at when they are used. */
  void setLdt(long base, int entries) {
    detachLdt();
    ldtBase = base;
    ldtEntries = entries;
  }

  /** Lets go of the LDT's pages: what backs its addresses is about to change. */
  void detachLdt() {
    for (int i = 0; i < ldtFrames.length; i++) {
      if (ldtFrames[i] != NONE) {
        types.putDescriptors(ldtFrames[i]);
        ldtFrames[i] = NONE;
      }
    }
  }

  /**
   * Attaches the page of the LDT that holds a selector's descriptor.
   *
   * @param kernelTable the L4 table through which the LDT's address is seen
   * @return whether the page was not attached and now is
   */
  boolean attach(int selector, long kernelTable) {
    int index = (selector & 0xFFFF) >>> INDEX_SHIFT;
    int page = index / ENTRIES_A_FRAME;
    if ((selector & TABLE_INDICATOR) == 0 || index >= ldtEntries || ldtFrames[page] != NONE) {
      return false;
    }
    long va = ldtBase + (long) page * MachineMemory.FRAME_BYTES;
    long translation = PageWalk.walk(memory, kernelTable << MachineMemory.FRAME_SHIFT, va, 0);
    if (translation < 0) {
      return false;
    }
    long mfn = PageWalk.frameAddress(translation) >>> MachineMemory.FRAME_SHIFT;
    if (types.getDescriptors(mfn) != 0) {
      return false;
    }
    ldtFrames[page] = mfn;
    return true;
  }

  /** Lets go of everything. */
  void drop() {
    dropGdt();
    setLdt(0, 0);
  }

  /** Writes both into a vcpu_guest_context. */
  void store(MemorySegment context) {
    for (int i = 0; i < gdtFrameCount; i++) {
      context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.GDT_FRAMES + 8L * i, gdtFrames[i]);
    }
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.GDT_ENTRIES, gdtEntries);
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.LDT_BASE, ldtBase);
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.LDT_ENTRIES, ldtEntries);
  }

  // ---- for tests: who holds references ----

  int gdtFrameCount() {
    return gdtFrameCount;
  }

  long gdtFrame(int i) {
    return gdtFrames[i];
  }

  int ldtPageCount() {
    return ldtFrames.length;
  }

  long ldtFrame(int i) {
    return ldtFrames[i];
  }
}
