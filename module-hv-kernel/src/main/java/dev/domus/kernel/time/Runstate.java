package dev.domus.kernel.time;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.dispatch.RunstateInfo;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.trap.VmAssist;
import java.lang.invoke.VarHandle;

/**
 * A vCPU's runstate as its guest sees it (xen-pv-abi.md, 3.5): on request, and in an area that the
 * guest registers.
 *
 * <pre>
 *   i32 state@0, u64 state_entry_time@8, u64 time[4]@16
 * </pre>
 *
 * <p>The dispatcher keeps the figures. The area is brought up to date whenever the vCPU is given a
 * pCPU and whenever it loses it: other vCPUs of the guest read it too, to see whether who holds a
 * lock is running. A wake-up in between shows with the next of these, as on Xen. The area is
 * reached through the guest kernel's page tables, whichever mode the vCPU is in; one that cannot be
 * written is skipped.
 */
public final class Runstate {
  private static final int SIZE = 48;
  private static final long UPDATE_IN_PROGRESS = 1L << 63;

  private final Vcpu vcpu;
  private final RunstateInfo info = new RunstateInfo();

  /** Address in the vCPU's kernel address space, or 0. Set by whichever vCPU registers it. */
  private volatile long area;

  /** Makes the record of a vCPU that has registered no area. */
  public Runstate(Vcpu vcpu) {
    this.vcpu = vcpu;
  }

  /** VCPUOP_get_runstate_info. */
  public void copyTo(Vcpu caller, long va) {
    caller.guest().requireWritable(va, SIZE);
    RunstateInfo into = caller.runstate().info;
    vcpu.unit().runstate(into);
    long now = vcpu.domain().hypervisor().clock().pcpuNanos();
    write(caller.guest(), va, false, into.state(), into.sinceNanos(), now, into);
  }

  /**
   * VCPUOP_register_runstate_memory_area: written now, by the address space of who registers it,
   * and from then on by the vCPU's own.
   */
  public long register(Vcpu caller, long va) {
    if (va != 0 && !GuestAccess.addressOk(va, SIZE)) {
      return -Errno.EFAULT;
    }
    area = va;
    if (va != 0) {
      writeNow(caller, va);
    }
    return 0;
  }

  private void writeNow(Vcpu caller, long va) {
    try {
      copyTo(caller, va);
    } catch (GuestFault notMapped) {
      // The area need not be there yet.
    }
  }

  /**
   * The vCPU has been given a pCPU, or is about to give it up; called on that pCPU's thread.
   *
   * @param state the one that it enters
   * @param sinceNanos when, on the clock of the pCPUs
   */
  public void changed(int state, long sinceNanos) {
    long va = area;
    if (va == 0 || vcpu.kernelTable() < 0) {
      return;
    }
    long space = vcpu.borrowKernelSpace();
    try {
      vcpu.guest().requireWritable(va, SIZE);
      vcpu.unit().runstate(info);
      boolean flagged = vcpu.domain().assist(VmAssist.RUNSTATE_UPDATE_FLAG);
      write(vcpu.guest(), va, flagged, state, sinceNanos, sinceNanos, info);
    } catch (GuestFault notMapped) {
      // Nothing to tell: the guest took its area away.
    } finally {
      vcpu.returnSpace(space);
    }
  }

  /**
   * Writes the structure.
   *
   * @param state what is shown as the present state
   * @param sinceNanos when it was entered
   * @param until what the record calls the present state counts up to here
   * @param info the figures, in a record of the thread's own, since another vCPU may ask for this
   *     one's while this one runs
   */
  private void write(
      GuestAccess guest,
      long va,
      boolean flagged,
      int state,
      long sinceNanos,
      long until,
      RunstateInfo info) {
    long entered = vcpu.domain().hypervisor().clock().toSystemNanos(sinceNanos);
    if (flagged) {
      guest.putLong(va + 8, entered | UPDATE_IN_PROGRESS);
      VarHandle.storeStoreFence();
    }
    guest.putInt(va, state);
    if (!flagged) {
      guest.putLong(va + 8, entered);
    }
    for (int i = 0; i < 4; i++) {
      guest.putLong(va + 16 + 8L * i, info.nanosIn(i, until));
    }
    if (flagged) {
      VarHandle.storeStoreFence();
      guest.putLong(va + 8, entered);
    }
  }
}
