package dev.domus.kernel.mmu;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.hypercall.Hypercall;

/**
 * update_va_mapping (14) and update_va_mapping_otherdomain (22): one leaf by the address that it
 * maps (xen-pv-abi.md, 6.2). The flush that the flags ask for happens on success only (XSA-279).
 */
public final class UpdateVaMapping implements Hypercall {
  private static final int FLUSH_TYPE = 3, TLB_FLUSH = 1, INVLPG = 2;
  private static final long LOCAL = 0, ALL = 4;

  private final boolean otherDomain;

  private UpdateVaMapping(boolean otherDomain) {
    this.otherDomain = otherDomain;
  }

  /** Hypercall 14: the frame mapped is the caller's own. */
  public static Hypercall ownFrames() {
    return new UpdateVaMapping(false);
  }

  /** Hypercall 22: the frame mapped is of a domain that the caller names. */
  public static Hypercall otherDomainsFrames() {
    return new UpdateVaMapping(true);
  }

  @Override
  public long call(Vcpu v, long va, long entry, long flags, long domid, long a5) {
    int target = otherDomain ? Batch.owner(v, (int) domid & 0xFFFF) : v.domain().domid();
    if (target < 0) {
      return target;
    }
    long set = flags & ~FLUSH_TYPE;
    if ((flags & FLUSH_TYPE) != 0 && set != LOCAL && set != ALL) {
      v.namedVcpus().read(v.guest(), set); // before the first effect, and once
    }
    int error = v.domain().mmu().entries().updateMapping(v, va, entry, target, v.tableWork());
    if (error == TableWork.RESTART) {
      v.continuation().leave(va, entry);
      return CONTINUE;
    }
    if (error == 0) {
      flush(v, va, flags);
    }
    return error;
  }

  private static void flush(Vcpu v, long va, long flags) {
    int type = (int) flags & FLUSH_TYPE;
    if (type != TLB_FLUSH && type != INVLPG) {
      return;
    }
    long set = flags & ~FLUSH_TYPE;
    long invalidation = type == INVLPG ? Invalidation.page(va) : Invalidation.ALL;
    if (set == LOCAL) {
      v.invalidate(invalidation);
    } else if (set != ALL) {
      v.domain().invalidate(invalidation, v.namedVcpus());
    } else if (type == INVLPG) {
      v.domain().invalidate(invalidation);
    } else {
      v.domain().mmu().flushTlb();
    }
  }
}
