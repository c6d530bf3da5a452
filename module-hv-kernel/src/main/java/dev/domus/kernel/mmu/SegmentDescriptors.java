package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.Errno;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * What a guest may put into its descriptor tables, and how it is bent to be harmless
 * (xen-pv-abi.md, section 7; Intel SDM vol. 3, 3.4.5 and 5.8.3).
 *
 * <pre>
 *  63      56 55  52 51 48 47 46 45 44 43  40 39      32 31            16 15             0
 * +----------+------+-----+--+-----+--+------+----------+----------------+----------------+
 * | base     | flags|limit|P | DPL |S | type | base     |      base      |     limit      |  code, data
 * | offset 31..16         |P | DPL |0 | 0xC  | reserved |    selector    | offset 15..0   |  call gate
 * +----------+------+-----+--+-----+--+------+----------+----------------+----------------+
 * </pre>
 *
 * <p>Code and data segments get DPL 3: the guest's kernel runs at CPL 3 too. A call gate gets DPL
 * 0, so that calling it from CPL 3 raises #GP with the gate's selector; its own DPL is kept in the
 * RPL of its target selector (XSA-298). Every other system descriptor is refused.
 */
final class SegmentDescriptors {
  /**
   * Result of {@link #fixed}: the descriptor is refused. It is one that is always refused, a
   * present task gate.
   */
  static final long REFUSED = 1L << 47 | 5L << 40;

  /** Entries of a GDT that are the guest's; those from here on are the hypervisor's. */
  static final int GUEST_ENTRIES = 7168;

  private static final long PRESENT = 1L << 47;
  private static final long CODE_OR_DATA = 1L << 44;
  private static final int DPL_SHIFT = 45;
  private static final long DPL = 3L << DPL_SHIFT;
  private static final int SELECTOR_SHIFT = 16;
  private static final int CALL_GATE = 0xC;
  private static final int LDT = 4;
  private static final int KERNEL_CODE = 0xE033;
  private static final int INDEX_SHIFT = 3;

  private static final VarHandle DESCRIPTOR = ValueLayout.JAVA_LONG.varHandle();

  private SegmentDescriptors() {}

  /** The descriptor as it may stand in a table, or {@link #REFUSED}. */
  static long fixed(long descriptor) {
    if ((descriptor & PRESENT) == 0) {
      return descriptor;
    }
    if ((descriptor & CODE_OR_DATA) != 0) {
      return descriptor | DPL;
    }
    int type = (int) (descriptor >>> 40) & 0xF;
    if (type == 0) {
      return descriptor; // the upper half of a gate
    }
    int selector = (int) (descriptor >>> SELECTOR_SHIFT) & 0xFFFF;
    boolean reservedClear = (descriptor >>> 32 & 0xFF) == 0;
    if (type != CALL_GATE || !reservedClear || !isGuests(selector)) {
      return REFUSED;
    }
    long dpl = (descriptor & DPL) >>> DPL_SHIFT;
    return descriptor & ~DPL & ~(3L << SELECTOR_SHIFT) | dpl << SELECTOR_SHIFT;
  }

  private static boolean isGuests(int selector) {
    return selector >>> INDEX_SHIFT < GUEST_ENTRIES
        || (selector & LDT) != 0
        || selector == KERNEL_CODE;
  }

  /**
   * Checks and mends a page of descriptors that nobody can write.
   *
   * @return 0 or a negated error number
   */
  static int validatePage(MemorySegment memory, long mfn) {
    long start = mfn << MachineMemory.FRAME_SHIFT;
    for (long at = start; at < start + MachineMemory.FRAME_BYTES; at += Long.BYTES) {
      if (fixed((long) DESCRIPTOR.getVolatile(memory, at)) == REFUSED) {
        return -Errno.EINVAL;
      }
    }
    for (long at = start; at < start + MachineMemory.FRAME_BYTES; at += Long.BYTES) {
      long descriptor = (long) DESCRIPTOR.getVolatile(memory, at);
      long fixed = fixed(descriptor);
      if (fixed != descriptor) {
        DESCRIPTOR.setRelease(memory, at, fixed);
      }
    }
    return 0;
  }

  /** Stores a descriptor that was checked. */
  static void store(MemorySegment memory, long ma, long descriptor) {
    DESCRIPTOR.setVolatile(memory, ma, descriptor);
  }

  /** Reads a descriptor. */
  static long load(MemorySegment memory, long ma) {
    return (long) DESCRIPTOR.getVolatile(memory, ma);
  }
}
