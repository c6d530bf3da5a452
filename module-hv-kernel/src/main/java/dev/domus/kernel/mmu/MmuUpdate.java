package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.memory.MachineMemory;

/**
 * mmu_update (1): a batch of stores to page-table entries and M2P entries (xen-pv-abi.md, 6.1).
 *
 * <pre>
 *   mmu_update: u64 ptr@0 (low 3 bits: command), u64 val@8
 *   RDI array   RSI count   RDX u32 *done or 0   R10 owner of the frames mapped | (owner of the tables + 1) &lt;&lt; 16
 * </pre>
 *
 * <p>Requests are carried out in order until one fails; {@code done} says how many were.
 */
public final class MmuUpdate implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byLowBits()
          .done(0, "normal_pt_update")
          .done(1, "machphys_update")
          .done(2, "pt_update_preserve_ad")
          .done(3, "pt_update_no_translate");

  private static final int REQUEST_SIZE = 16;
  private static final int NORMAL = 0, MACHPHYS = 1, PRESERVE_AD = 2, NO_TRANSLATE = 3;

  /** Makes the table entry. */
  public MmuUpdate() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long requests, long count, long done, long owners, long a5) {
    int error = Batch.tableOwnerError(v, (int) owners >>> 16);
    if (error != 0) {
      return error;
    }
    int target = Batch.owner(v, (int) owners & 0xFFFF);
    return target < 0
        ? target
        : Batch.run(v, requests, count, done, REQUEST_SIZE, target, false, MmuUpdate::request);
  }

  private static int request(Vcpu v, long request, int target) {
    long ptr = v.guest().getLong(request);
    long val = v.guest().getLong(request + 8);
    int command = (int) ptr & 7;
    Mmu mmu = v.domain().mmu();
    return switch (command) {
      case NORMAL, PRESERVE_AD, NO_TRANSLATE ->
          mmu.entries().update(ptr & ~7L, val, target, command == PRESERVE_AD);
      case MACHPHYS -> machphys(v, ptr >>> MachineMemory.FRAME_SHIFT, val, target);
      default -> -Errno.ENOSYS;
    };
  }

  private static int machphys(Vcpu v, long mfn, long pfn, int target) {
    MachineFrames frames = v.domain().mmu().machine();
    if (target != v.domain().domid() || !frames.get(target, mfn)) {
      return -Errno.EINVAL;
    }
    v.domain().mmu().setPfn(mfn, pfn);
    frames.put(mfn);
    return 0;
  }
}
