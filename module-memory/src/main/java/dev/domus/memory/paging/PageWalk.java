package dev.domus.memory.paging;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The 4-level page walk of a processor at CPL 3, with permissions, NX, and accessed and dirty bits.
 *
 * <p>Two results share one {@code long}, so that a walk allocates nothing. A translation is the
 * machine address of the 4 KiB frame, with the permissions that all levels together grant in the
 * low bits and bit 62; a fault is negative and carries the error code of #PF in its low bits.
 *
 * <pre>
 *   63  62   61          52 51                       12 11      2   1   0
 *  +---+----+--------------+---------------------------+---------+---+---+
 *  | 0 | NX |      0       |   frame machine address   |    0    | D | W |   translation
 *  +---+----+--------------+---------------------------+---------+---+---+
 *  | 1 |                        0                      |    error code   |   fault
 *  +---+-----------------------------------------------+-----------------+
 * </pre>
 *
 * <p>Accessed bits are set in every entry that the walk used and the dirty bit in the leaf when the
 * access is a write, by compare-and-set, so that a concurrent update of the entry by the kernel or
 * by another vCPU is never lost; and only once the whole walk has succeeded, so a faulting access
 * leaves no trace (Intel SDM vol. 3, 4.8 allows either).
 *
 * <p>PV guests have no superpages: an entry with PS set above level 1 cannot be in a validated
 * table. The hypervisor makes none either, so the walk treats one as a reserved-bit fault.
 */
public final class PageWalk {
  /** Bit of an access and of a page-fault error code (Intel SDM vol. 3, 4.7). */
  public static final int PRESENT = 1, WRITE = 2, USER = 4, RESERVED = 8, FETCH = 16;

  /**
   * Bit of an access: a frame beyond the machine's memory is an answer too. Without it such a frame
   * is a fault, so that only those meet one who know what to do with it.
   */
  public static final int DEVICE = 1 << 9;

  /** Translation bit: every level permits writing. */
  public static final long MAY_WRITE = 1;

  /**
   * Translation bit: the leaf's dirty bit is set, so a write through this translation needs no
   * further walk.
   */
  public static final long DIRTY = 2;

  /** Translation bit: some level forbids execution. */
  public static final long NO_EXECUTE = 1L << 62;

  private static final ValueLayout.OfLong ENTRY = ValueLayout.JAVA_LONG;
  private static final VarHandle ENTRY_HANDLE = ENTRY.varHandle();

  private PageWalk() {}

  /**
   * Translates one address.
   *
   * @param memory all machine memory
   * @param cr3 machine address of the L4 table
   * @param va the linear address; a non-canonical one is the caller's to refuse (it is #GP or #SS,
   *     not #PF)
   * @param access {@link #WRITE} or {@link #FETCH} or 0 for a read, with {@link #USER} if the U
   *     bits are to be obeyed; PV guests run at CPL 3 and always have it, the hypervisor's own
   *     accesses do not; and with {@link #DEVICE} where that is wanted
   * @return a translation (not negative) or a fault (negative); use {@link #errorCode} on the
   *     latter
   */
  public static long walk(MemorySegment memory, long cr3, long va, int access) {
    long size = memory.byteSize();
    long a4 = (cr3 & Pte.ADDRESS_MASK) + 8L * Pte.index(va, 4);
    if (a4 >= size) {
      return fault(access | PRESENT | RESERVED);
    }
    long e4 = load(memory, a4);
    if ((e4 & Pte.P) == 0) {
      return fault(access);
    }
    long a3 = (e4 & Pte.ADDRESS_MASK) + 8L * Pte.index(va, 3);
    if ((e4 & Pte.PS) != 0 || a3 >= size) {
      return fault(access | PRESENT | RESERVED);
    }
    long e3 = load(memory, a3);
    if ((e3 & Pte.P) == 0) {
      return fault(access);
    }
    long a2 = (e3 & Pte.ADDRESS_MASK) + 8L * Pte.index(va, 2);
    if ((e3 & Pte.PS) != 0 || a2 >= size) {
      return fault(access | PRESENT | RESERVED);
    }
    long e2 = load(memory, a2);
    if ((e2 & Pte.P) == 0) {
      return fault(access);
    }
    long a1 = (e2 & Pte.ADDRESS_MASK) + 8L * Pte.index(va, 1);
    if ((e2 & Pte.PS) != 0 || a1 >= size) {
      return fault(access | PRESENT | RESERVED);
    }
    long e1 = load(memory, a1);
    if ((e1 & Pte.P) == 0) {
      return fault(access);
    }
    if ((e1 & Pte.ADDRESS_MASK) >= size && (access & DEVICE) == 0) {
      return fault(access | PRESENT | RESERVED);
    }
    long all = e4 & e3 & e2 & e1;
    long any = e4 | e3 | e2 | e1;
    if ((access & USER) != 0 && (all & Pte.U) == 0
        || (access & WRITE) != 0 && (all & Pte.W) == 0
        || (access & FETCH) != 0 && any < 0) {
      return fault(access | PRESENT);
    }
    long leafBits = (access & WRITE) != 0 ? Pte.A | Pte.D : Pte.A;
    if ((all & Pte.A) == 0 || (e1 & leafBits) != leafBits) {
      if (!(mark(memory, a4, e4, Pte.A)
          && mark(memory, a3, e3, Pte.A)
          && mark(memory, a2, e2, Pte.A)
          && mark(memory, a1, e1, leafBits))) {
        return walk(
            memory, cr3, va,
            access); // an entry changed under the walk: what was read no longer holds
      }
      e1 |= leafBits;
    }
    return (e1 & Pte.ADDRESS_MASK)
        | (all & Pte.W) >>> 1
        | (e1 & Pte.D) >>> 5
        | (any & Pte.NX) >>> 1;
  }

  /** The frame's machine address of a translation, to which the offset in the page is added. */
  public static long frameAddress(long translation) {
    return translation & Pte.ADDRESS_MASK;
  }

  /** Error code of a fault, as #PF pushes it. */
  public static int errorCode(long fault) {
    return (int) fault & 0x1F;
  }

  private static long fault(int code) {
    return Long.MIN_VALUE | code;
  }

  private static long load(MemorySegment memory, long ma) {
    return (long) ENTRY_HANDLE.getAcquire(memory, ma);
  }

  private static boolean mark(MemorySegment memory, long ma, long entry, long bits) {
    return (entry & bits) == bits || ENTRY_HANDLE.compareAndSet(memory, ma, entry, entry | bits);
  }
}
