package dev.domus.kernel.mmu;

/** Which linear addresses are a guest's (xen-pv-abi.md, section 1). */
final class GuestRange {
  private static final long LOW_END = 0x0000_8000_0000_0000L;
  private static final long HIGH_START = 0xFFFF_8800_0000_0000L;

  private GuestRange() {}

  /** Says whether a range is canonical and wholly outside the hypervisor's. */
  static boolean isOk(long va, long bytes) {
    if (va >= 0) {
      return va < LOW_END && bytes <= LOW_END - va;
    }
    return va >= HIGH_START && bytes <= -va;
  }
}
