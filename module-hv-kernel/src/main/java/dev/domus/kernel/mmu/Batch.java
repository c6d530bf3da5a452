package dev.domus.kernel.mmu;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.domain.Domain;
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
 *
 * <p><b>Long requests</b> are interrupted in themselves ({@link TableWork}). One that answers
 * RESTART has not been done and is the first of the rest. One that is done, or has failed, may have
 * left tables to take apart; then the rest is what follows it (nothing after an error), and the
 * next execution begins with what was left. The array of a continuation of no requests is the
 * result that it has. All this is the guest's to change, but what is left to do is not in it.
 */
final class Batch {
  private static final long PREEMPTED = 1L << 31;
  private static final int PREEMPTION_CHECK = 256;

  private Batch() {}

  /** What is done to the requests of a batch. */
  @FunctionalInterface
  interface Requests {
    /**
     * Carries out one request or some of those that follow each other. All but the last of these
     * have been done, and have left nothing to do.
     *
     * @param at address of the first in guest memory
     * @param left how many there are, at least 1
     * @param tables the domain whose page tables are meant
     * @param target id of the domain whose frames are meant
     * @return by {@link #outcome}
     */
    long carryOut(Vcpu v, long at, long left, Mmu tables, int target);
  }

  /**
   * What became of some requests.
   *
   * @param attempted how many were attempted, at least 1
   * @param result of the last of them: 0, {@link EntryUpdates#FLUSH_DUE}, {@link
   *     EntryUpdates#TREE_CHANGED}, {@link TableWork#RESTART} or a negated error number
   */
  static long outcome(int attempted, int result) {
    return (long) attempted << 32 | result & 0xFFFF_FFFFL;
  }

  /**
   * Carries a batch out.
   *
   * @param tables the domain whose page tables are meant, and whose TLBs are flushed if due
   * @param eachIsLong whether any request may be long; else only those that change a tree are
   */
  static long run(
      Vcpu v,
      long array,
      long count,
      long done,
      int size,
      Mmu tables,
      int target,
      boolean eachIsLong,
      Requests requests) {
    TableWork work = v.tableWork();
    if (!work.finish()) { // first of all: the guest may have unmapped what is read below
      v.continuation().leave(array, count);
      return Hypercall.CONTINUE;
    }
    if (count == PREEMPTED) {
      return Math.min((int) array, 0); // the result of what has been done before
    }
    long total = count & 0x7FFF_FFFFL;
    if (!GuestRange.isOk(array, total * size)) { // all of it, before any effect (XSA-212)
      return -Errno.EFAULT;
    }
    long before = (count & PREEMPTED) != 0 ? doneBefore(v, done) : 0;
    boolean flushDue = false;
    int error = 0;
    long i = 0;
    try {
      long looked = 0;
      for (; i < total && error >= 0; i++) {
        boolean look = i > 0 && (eachIsLong || error > 0);
        if (look || i - looked >= PREEMPTION_CHECK) {
          looked = i;
          if (v.mustPreempt()) {
            return preempt(v, array + i * size, total - i, done, before + i);
          }
        }
        long outcome = requests.carryOut(v, array + i * size, total - i, tables, target);
        i += (outcome >>> 32) - 1;
        error = (int) outcome;
        flushDue |= error == EntryUpdates.FLUSH_DUE;
        if (error == TableWork.RESTART) {
          return preempt(v, array + i * size, total - i, done, before + i);
        }
        if (work.isUnfinished() && !work.finish()) {
          return error < 0
              ? preempt(v, error, 0, done, before + i)
              : preempt(
                  v,
                  i + 1 == total ? 0 : array + (i + 1) * size,
                  total - i - 1,
                  done,
                  before + i + 1);
        }
      }
    } catch (GuestFault unreadable) {
      error = -unreadable.errno();
      i++;
    } finally {
      if (flushDue) {
        tables.flushTlb();
      }
    }
    tellDone(v, done, before + (error < 0 ? i - 1 : i));
    return Math.min(error, 0);
  }

  /** Leaves the rest for later. */
  private static long preempt(Vcpu v, long rest, long left, long done, long doneSoFar) {
    tellDone(v, done, doneSoFar);
    v.continuation().leave(rest, left | PREEMPTED);
    return Hypercall.CONTINUE;
  }

  /** What an earlier execution has told, or 0. */
  private static long doneBefore(Vcpu v, long done) {
    try {
      return done == 0 ? 0 : v.guest().getInt(done) & 0xFFFF_FFFFL;
    } catch (GuestFault unmapped) {
      return 0;
    }
  }

  /**
   * Tells how many requests were done, where the guest asks for it. It is no error if that place
   * cannot be written: not every guest that has no use for the number says so with a null pointer.
   */
  private static void tellDone(Vcpu v, long done, long count) {
    try {
      if (done != 0) {
        v.guest().putInt(done, (int) count);
      }
    } catch (GuestFault unmapped) {
      // As Xen does.
    }
  }

  /**
   * The domain that a caller names as the owner of the frames that it wants to map, or −ESRCH or
   * −EPERM. Its own id is none: itself it calls DOMID_SELF. DOMID_IO is open to everybody: what
   * counts there is the right to the I/O frame.
   */
  static int owner(Vcpu v, int domid) {
    int self = v.domain().domid();
    if (domid == Domid.SELF) {
      return self;
    }
    if (domid == self) {
      return -Errno.ESRCH;
    }
    if (domid == Domid.IO) {
      return Domid.IO;
    }
    int error = foreignError(v, Operation.MAP_FRAMES, domid);
    return error == 0 ? domid : error;
  }

  /**
   * Whether the caller may change the page tables of a domain.
   *
   * @return 0, −ESRCH or −EPERM
   */
  static int tablesError(Vcpu v, int domid) {
    boolean own = domid == Domid.SELF || domid == v.domain().domid();
    return own ? 0 : foreignError(v, Operation.CHANGE_TABLES, domid);
  }

  private static int foreignError(Vcpu v, Operation operation, int domid) {
    Hypervisor hypervisor = v.domain().hypervisor();
    boolean known = domid == Domid.IO || domid == Domid.XEN || hypervisor.events(domid).isPresent();
    return known
        ? hypervisor.access().check(operation, v.domain().domid(), domid, 0)
        : -Errno.ESRCH;
  }

  /**
   * The page tables of a domain that {@link #tablesError} has found good, or null if it has none.
   */
  static Mmu tables(Vcpu v, int domid) {
    if (domid == Domid.SELF || domid == v.domain().domid()) {
      return v.domain().mmu();
    }
    Domain domain = v.domain().hypervisor().domain(domid);
    return domain == null ? null : domain.mmu();
  }
}
