package dev.domus.kernel.time;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.GuestFault;

/**
 * A vCPU's secondary copy of its time info, in guest memory that its user mode may read
 * (VCPUOP_register_vcpu_time_memory_area; xen-pv-abi.md, 11.2).
 *
 * <p>What the copy says never changes, so it is written once. It need not be mapped when it is
 * registered: then that is tried again each time the vCPU is given a pCPU.
 */
public final class TimeArea {
  private final Vcpu vcpu;

  /** Address in the vCPU's kernel address space of a copy yet to be written, or 0. */
  private volatile long owed;

  /** Makes the record of a vCPU that has registered no area. */
  public TimeArea(Vcpu vcpu) {
    this.vcpu = vcpu;
  }

  /** VCPUOP_register_vcpu_time_memory_area: written by the address space of who registers it. */
  public long register(Vcpu caller, long va) {
    if (va != 0 && !GuestAccess.addressOk(va, SharedInfoLayout.TIME_INFO_SIZE)) {
      return -Errno.EFAULT;
    }
    owed = va == 0 || write(caller, va) ? 0 : va;
    return 0;
  }

  /** The vCPU has been given a pCPU; called on that pCPU's thread. */
  public void scheduledIn() {
    long va = owed;
    if (va != 0 && vcpu.kernelTable() >= 0) {
      long space = vcpu.borrowKernelSpace();
      try {
        if (write(vcpu, va)) {
          owed = 0;
        }
      } finally {
        vcpu.returnSpace(space);
      }
    }
  }

  private static boolean write(Vcpu by, long va) {
    try {
      by.guest().requireWritable(va, SharedInfoLayout.TIME_INFO_SIZE);
      by.domain().hypervisor().clock().writeTimeInfo(by.guest(), va);
      return true;
    } catch (GuestFault notMapped) {
      return false;
    }
  }
}
