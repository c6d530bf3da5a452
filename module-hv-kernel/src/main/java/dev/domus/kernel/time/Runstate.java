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
 * <p>The dispatcher keeps the figures. The area is brought up to date when the vCPU is given a
 * pCPU, which is the first moment at which its guest can look at it again; while the guest's user
 * mode runs the area may not be mapped, so the update waits until the kernel is entered. An area
 * that cannot be written is skipped, as on Xen.
 */
public final class Runstate {
  private static final int SIZE = 48;
  private static final long UPDATE_IN_PROGRESS = 1L << 63;

  private final Vcpu vcpu;
  private final RunstateInfo info = new RunstateInfo();

  /** Address in the vCPU's kernel address space, or 0. Set by whichever vCPU registers it. */
  private volatile long area;

  private volatile boolean stale;

  /** Makes the record of a vCPU that has registered no area. */
  public Runstate(Vcpu vcpu) {
    this.vcpu = vcpu;
  }

  /** VCPUOP_get_runstate_info. */
  public void copyTo(Vcpu caller, long va) {
    caller.guest().requireWritable(va, SIZE);
    write(caller.guest(), va, false, vcpu.domain().hypervisor().clock().pcpuNanos(), caller.runstate().info);
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
    stale = true;
    if (caller == vcpu) {
      enteredKernel();
    } else if (va != 0) {
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

  /** The vCPU has been given a pCPU, or gives it up; called on that pCPU's thread. */
  public void changed() {
    stale = true;
    if (vcpu.kernelMode()) {
      enteredKernel();
    }
  }

  /** The guest's kernel address space is in force: the area can be written. */
  public void enteredKernel() {
    long va = area;
    if (!stale || va == 0) {
      return;
    }
    stale = false;
    try {
      vcpu.guest().requireWritable(va, SIZE);
      vcpu.unit().runstate(info);
      write(
          vcpu.guest(),
          va,
          vcpu.domain().assist(VmAssist.RUNSTATE_UPDATE_FLAG),
          info.sinceNanos(),
          info);
    } catch (GuestFault notMapped) {
      // Nothing to tell: the guest took its area away.
    }
  }

  /**
   * Writes the structure.
   *
   * @param until the time of the present state counts up to here: to now on request, to the moment
   *     when the state was entered in the area, where the guest adds the rest
   * @param info where to put the figures: a record of the thread's own, since another vCPU may ask
   *     for this one's while this one runs
   */
  private void write(GuestAccess guest, long va, boolean flagged, long until, RunstateInfo info) {
    Clock clock = vcpu.domain().hypervisor().clock();
    vcpu.unit().runstate(info);
    long entered = clock.toSystemNanos(info.sinceNanos());
    if (flagged) {
      guest.putLong(va + 8, entered | UPDATE_IN_PROGRESS);
      VarHandle.storeStoreFence();
    }
    guest.putInt(va, info.state());
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
