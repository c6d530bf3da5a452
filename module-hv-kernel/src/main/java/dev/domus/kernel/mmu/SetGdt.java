package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;

/**
 * set_gdt (2): an array of frames that hold the guest's part of the GDT, and how many entries there
 * are.
 */
public final class SetGdt implements Hypercall {
  private static final int ENTRIES_A_FRAME = 512;

  /** Makes the table entry. */
  public SetGdt() {}

  @Override
  public long call(Vcpu v, long list, long count, long a3, long a4, long a5) {
    int entries = (int) count; // 32 bits count
    if (entries < 0 || entries > SegmentDescriptors.GUEST_ENTRIES) {
      return -Errno.EINVAL;
    }
    int frames = (entries + ENTRIES_A_FRAME - 1) / ENTRIES_A_FRAME;
    long[] mfns = new long[frames];
    for (int i = 0; i < frames; i++) {
      mfns[i] = v.guest().getLong(list + 8L * i);
    }
    return v.domain().mmu().setGdt(v, mfns, entries);
  }
}
