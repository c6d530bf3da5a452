package dev.domus.kernel.event;

import dev.domus.kernel.abi.SharedInfoLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Delivery by the two-level ABI (xen-pv-abi.md, 10.1): a bitmap of pending ports and one of masked
 * ports in the shared info page, a word of selector bits and a flag for each vCPU.
 *
 * <pre>
 *   shared_info.evtchn_pending[w] bit b      port 64w + b is pending
 *   shared_info.evtchn_mask[w]    bit b      … and shall not be told
 *   vcpu_info.evtchn_pending_sel  bit w      some port of word w is pending for this vCPU
 *   vcpu_info.evtchn_upcall_pending          some selector bit is set
 * </pre>
 *
 * <h2>Why nothing is lost</h2>
 *
 * The guest goes the other way: it clears the flag, exchanges the selector with 0, and takes
 * pending bits word by word. Each step here is one atomic operation with full fences, and comes
 * before the step that announces it. So whoever finds a bit set already knows that its setter will
 * make the announcement, or that the guest has yet to look.
 *
 * <p>The guest can write these words as it likes. They are only ever read as bits and as flags, so
 * that all it can reach is its own deafness.
 */
final class TwoLevelDelivery implements PortDelivery {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  private final MemorySegment memory;
  private final EventTarget target;
  private final long pending;
  private final long mask;

  TwoLevelDelivery(MemorySegment memory, EventTarget target) {
    this.memory = memory;
    this.target = target;
    pending = target.sharedInfo() + SharedInfoLayout.EVTCHN_PENDING;
    mask = target.sharedInfo() + SharedInfoLayout.EVTCHN_MASK;
  }

  @Override
  public int ports() {
    return SharedInfoLayout.EVTCHN_PORTS;
  }

  @Override
  public void setPending(Port port) {
    long bit = 1L << port.number;
    if (((long) LONG.getAndBitwiseOr(memory, pending + wordOffset(port), bit) & bit) != 0) {
      return;
    }
    if (!isMasked(port)) {
      select(port);
    }
    target.portPending(port.number);
  }

  @Override
  public void clearPending(Port port) {
    LONG.getAndBitwiseAnd(memory, pending + wordOffset(port), ~(1L << port.number));
  }

  @Override
  public void unmask(Port port) {
    long bit = 1L << port.number;
    boolean wasMasked =
        ((long) LONG.getAndBitwiseAnd(memory, mask + wordOffset(port), ~bit) & bit) != 0;
    if (wasMasked && isPending(port)) {
      select(port);
    }
  }

  @Override
  public boolean isPending(Port port) {
    return ((long) LONG.getVolatile(memory, pending + wordOffset(port)) >>> port.number & 1) != 0;
  }

  @Override
  public boolean isMasked(Port port) {
    return ((long) LONG.getVolatile(memory, mask + wordOffset(port)) >>> port.number & 1) != 0;
  }

  private void select(Port port) {
    int vcpu = port.notifyVcpu;
    long info = target.vcpuInfo(vcpu);
    if (info < 0) {
      return; // registering a vcpu_info sets all selector bits: nothing is lost
    }
    long bit = 1L << (port.number >>> 6);
    long selector = info + SharedInfoLayout.PENDING_SEL;
    if (((long) LONG.getAndBitwiseOr(memory, selector, bit) & bit) != 0) {
      return;
    }
    Upcall.raise(memory, target, vcpu);
  }

  private static long wordOffset(Port port) {
    return (long) (port.number >>> 6) << 3;
  }
}
