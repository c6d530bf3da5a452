package dev.domus.kernel.trap;

import dev.domus.kernel.domain.Vcpu;

/** The vm_assist types of a 64-bit guest (xen-pv-abi.md, 14). */
public final class VmAssist {
  /** Assist type for 32-bit guests; accepted without effect. */
  public static final int FOUR_GB_SEGMENTS = 0, FOUR_GB_SEGMENTS_NOTIFY = 1;

  /**
   * Assist type: the guest kernel's stores to its L1 tables, which it maps read-only, are carried
   * out as validated updates ({@link dev.domus.kernel.mmu.WritablePageTables}).
   */
  public static final int WRITABLE_PAGETABLES = 2;

  /** Assist type. */
  public static final int PAE_EXTENDED_CR3 = 3,
      ARCHITECTURAL_IOPL = 4,
      RUNSTATE_UPDATE_FLAG = 5,
      M2P_STRICT = 32;

  private static final long VALID = 0x3F | 1L << M2P_STRICT;

  private VmAssist() {}

  /**
   * The privilege level that a guest is seen at: its user mode at 3, its kernel at 1, or at 0 with
   * architectural_iopl.
   */
  static int cpl(Vcpu v) {
    return !v.kernelMode() ? 3 : v.domain().assist(ARCHITECTURAL_IOPL) ? 0 : 1;
  }

  /** Says whether all of a set of types, one a bit, exist. */
  public static boolean allExist(long types) {
    return (types & ~VALID) == 0;
  }

  /** Says whether a type exists for 64-bit guests. */
  public static boolean exists(long type) {
    return type >= 0 && type < 64 && (VALID >>> type & 1) != 0;
  }
}
