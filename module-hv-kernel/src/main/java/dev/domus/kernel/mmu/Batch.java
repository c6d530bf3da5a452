package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.hypercall.Hypercall;

/**
 * What mmu_update and mmuext_op have in common: an array of requests, carried out until one fails,
 * with a count of those done.
 *
 * <p><b>Long batches</b> are continued: when the vCPU's slice is over, the arguments in its
 * registers are changed to describe the rest and the guest executes the hypercall again
 * (xen-pv-abi.md, 4.1). Bit 31 of the count then says that {@code done} holds what has been done
 * before. A request that takes a tree of page tables in use, or apart, is long by itself: after
 * each of these the clock is looked at, after plain ones once in {@value #PREEMPTION_CHECK}.
 */
final class Batch {
  private static final long PREEMPTED = 1L << 31;
  private static final int PREEMPTION_CHECK = 256;

  private Batch() {}

  /** One request of a batch. */
  @FunctionalInterface
  interface Request {
    /**
     * Carries one request out.
     *
     * @param at its address in guest memory
     * @param target the domain whose frames are meant
     * @return 0, {@link EntryUpdates#FLUSH_DUE}, or a negated error number
     */
    int carryOut(Vcpu v, long at, int target);
  }

  /**
   * Carries a batch out.
   *
   * @param eachIsLong whether any request may be long; else only those that answer FLUSH_DUE are
   */
  static long run(
      Vcpu v,
      long array,
      long count,
      long done,
      int size,
      int target,
      boolean eachIsLong,
      Request request) {
    long total = count & 0x7FFF_FFFFL;
    if (!GuestRange.isOk(array, total * size)) { // all of it, before any effect (XSA-212)
      return -Errno.EFAULT;
    }
    long before = (count & PREEMPTED) != 0 && done != 0 ? v.guest().getInt(done) & 0xFFFF_FFFFL : 0;
    if (done != 0) {
      v.guest().requireWritable(done, 4);
    }
    boolean flushDue = false;
    int error = 0;
    long i = 0;
    try {
      for (; i < total && error >= 0; i++) {
        boolean look = i > 0 && (eachIsLong || error == EntryUpdates.FLUSH_DUE);
        look |= (i & (PREEMPTION_CHECK - 1)) == PREEMPTION_CHECK - 1;
        if (look && v.mustPreempt()) {
          return preempt(v, array + i * size, total - i, done, before + i);
        }
        error = request.carryOut(v, array + i * size, target);
        flushDue |= error == EntryUpdates.FLUSH_DUE;
      }
    } catch (GuestFault unreadable) {
      error = -unreadable.errno();
      i++;
    } finally {
      if (flushDue) {
        v.domain().mmu().flushTlb();
      }
    }
    if (done != 0) {
      v.guest().putInt(done, (int) (before + (error < 0 ? i - 1 : i)));
    }
    return Math.min(error, 0);
  }

  private static long preempt(Vcpu v, long rest, long left, long done, long doneSoFar) {
    if (done != 0) {
      v.guest().putInt(done, (int) doneSoFar);
    }
    v.continuation().leave(rest, left | PREEMPTED);
    return Hypercall.CONTINUE;
  }

  /** The domain that a caller names as the owner of frames, or −ESRCH or −EPERM. */
  static int owner(Vcpu v, int domid) {
    int self = v.domain().domid();
    if (domid == Domid.SELF || domid == self) {
      return self;
    }
    if (domid == Domid.IO) {
      return Domid.IO;
    }
    return v.domain().hypervisor().events(domid).isEmpty() ? -Errno.ESRCH : -Errno.EPERM;
  }

  /**
   * Whether the caller may change the tables of a domain: {@code 0} for its own, otherwise its id
   * plus one.
   */
  static int tableOwnerError(Vcpu v, int ownerPlusOne) {
    if (ownerPlusOne == 0) {
      return 0;
    }
    int owner = owner(v, ownerPlusOne - 1);
    return owner == v.domain().domid() ? 0 : owner == Domid.IO ? -Errno.EPERM : owner;
  }
}
