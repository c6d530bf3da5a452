package dev.domus.kernel.domain;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.SharedInfoLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * VCPUOP_register_vcpu_info: the guest moves a vCPU's vcpu_info to a page of its own, once
 * (xen-pv-abi.md, 11.2).
 *
 * <pre>
 *   vcpu_register_vcpu_info: u64 mfn@0, u32 offset@8
 * </pre>
 */
public final class VcpuInfoPage {
  private static final int PAGE_SIZE = 4096;

  private VcpuInfoPage() {}

  /**
   * Carries the operation out.
   *
   * @param v the calling vCPU
   * @param target the vCPU whose record moves: the calling one, or one that is down
   * @param arg address of the argument
   * @return 0 or a negated error number
   */
  public static long register(Vcpu v, Vcpu target, long arg) {
    long mfn = v.guest().getLong(arg);
    int offset = v.guest().getInt(arg + 8);
    if (offset < 0 || (offset & 7) != 0 || offset > PAGE_SIZE - SharedInfoLayout.VCPU_INFO_SIZE) {
      return -Errno.ENXIO;
    }
    synchronized (target) { // two vCPUs may register for a third at once
      return move(v, target, mfn, offset);
    }
  }

  private static long move(Vcpu v, Vcpu target, long mfn, int offset) {
    if (target.vcpuInfoRegistered() || target != v && target.online()) {
      return -Errno.EINVAL;
    }
    if (!v.domain().hypervisor().machineFrames().getWritable(v.domain().domid(), mfn)) {
      return -Errno.EINVAL;
    }
    MemorySegment memory = v.domain().hypervisor().memory();
    long to = (mfn << 12) + offset;
    long from = target.vcpuInfo();
    if (from >= 0) {
      MemorySegment.copy(memory, from, memory, to, SharedInfoLayout.VCPU_INFO_SIZE);
    } else {
      memory.asSlice(to, SharedInfoLayout.VCPU_INFO_SIZE).fill((byte) 0);
      memory.set(ValueLayout.JAVA_BYTE, to + SharedInfoLayout.UPCALL_MASK, (byte) 1);
      v.domain().hypervisor().clock().writeTimeInfo(memory, to + SharedInfoLayout.TIME);
    }
    target.registerVcpuInfo(to, mfn);
    // Events may have been marked in the old record meanwhile: have the guest look at all of them.
    memory.set(ValueLayout.JAVA_LONG, to + SharedInfoLayout.PENDING_SEL, -1L);
    memory.set(ValueLayout.JAVA_BYTE, to + SharedInfoLayout.UPCALL_PENDING, (byte) 1);
    target.notifyUpcall();
    return 0;
  }
}
