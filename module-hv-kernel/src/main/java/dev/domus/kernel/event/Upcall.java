package dev.domus.kernel.event;

import dev.domus.kernel.abi.SharedInfoLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * evtchn_upcall_pending of a vCPU, the last step of both guest ABIs. The flag is set by a plain
 * volatile store, there being no atomic exchange of bytes: two senders that both find it clear both
 * notify, which costs a wake-up and loses nothing.
 */
final class Upcall {
  private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();

  private Upcall() {}

  /**
   * Has a vCPU look at its events. One without a vcpu_info is told when it registers one, which
   * sets the flag and all selector bits.
   */
  static void raise(MemorySegment memory, EventTarget target, int vcpu) {
    long info = target.vcpuInfo(vcpu);
    if (info < 0) {
      return;
    }
    long flag = info + SharedInfoLayout.UPCALL_PENDING;
    if ((byte) BYTE.getVolatile(memory, flag) == 0) {
      BYTE.setVolatile(memory, flag, (byte) 1);
      target.upcall(vcpu);
    }
  }
}
