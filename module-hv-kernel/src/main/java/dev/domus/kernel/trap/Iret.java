package dev.domus.kernel.trap;

import static dev.domus.kernel.engine.CpuState.R11;
import static dev.domus.kernel.engine.CpuState.RAX;
import static dev.domus.kernel.engine.CpuState.RCX;
import static dev.domus.kernel.engine.CpuState.RSP;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.memory.paging.Pte;

/**
 * The iret hypercall (23): back to what a trap interrupted, or on to user mode for the first time
 * (xen-pv-abi.md, 8.7).
 *
 * <pre>
 *   RSP → rax, r11, rcx, flags, rip, cs, rflags, rsp, ss
 * </pre>
 *
 * <p>The final IRET of a real hypervisor can fault on the new context (bad selector, non-canonical
 * RIP); the guest then takes the exception with the new context as the interrupted one.
 */
public final class Iret implements Hypercall {
  private static final long IN_SYSCALL = 0x100;
  private static final long RETURN_TO_CALLER = 0;

  @Override
  public long call(Vcpu v, long a1, long a2, long a3, long a4, long a5) {
    CpuState s = v.state();
    long frame = s.gpr[RSP];
    long rax;
    long r11;
    long rcx;
    long flags;
    long rip;
    long cs;
    long rflags;
    long rsp;
    long ss;
    try {
      rax = v.guest().getLong(frame);
      r11 = v.guest().getLong(frame + 8);
      rcx = v.guest().getLong(frame + 16);
      flags = v.guest().getLong(frame + 24);
      rip = v.guest().getLong(frame + 32);
      cs = v.guest().getLong(frame + 40);
      rflags = v.guest().getLong(frame + 48);
      rsp = v.guest().getLong(frame + 56);
      ss = v.guest().getLong(frame + 64);
    } catch (GuestFault e) {
      v.domain().crash(v, "iret frame not readable at rsp=0x" + Long.toHexString(frame), null);
      return RETURN_TO_CALLER;
    }
    if ((cs & 3) == 3) {
      if (v.userTable() < 0) {
        v.domain().crash(v, "iret to user mode without a user page table", null);
        return RETURN_TO_CALLER;
      }
      v.enterUser();
    }
    TrapState traps = v.traps();
    if (v.domain().assist(VmAssist.ARCHITECTURAL_IOPL)) {
      traps.iopl = (int) (rflags >>> 12) & 3;
    }
    s.rip = rip;
    s.gpr[RSP] = rsp;
    s.rflags = TrapState.sanitise(rflags);
    if ((flags & IN_SYSCALL) != 0 && Pte.isCanonical(rip)) {
      s.gpr[RCX] = rip;
      s.gpr[R11] = s.rflags;
      s.cs = TrapState.FLAT_KERNEL_CS;
      s.ss = TrapState.FLAT_KERNEL_SS;
    } else {
      s.gpr[RCX] = rcx;
      s.gpr[R11] = r11;
      s.cs = (int) cs & 0xFFFF | 3;
      s.ss = (int) ss & 0xFFFF | 3;
    }
    v.setUpcallMask((rflags & CpuState.IF) != 0 ? 0 : 1);
    traps.nmiMasked = false;
    s.gpr[RAX] = rax;
    checkContext(v);
    return RETURN_TO_CALLER;
  }

  /** The checks of the processor's IRET. */
  private static void checkContext(Vcpu v) {
    CpuState s = v.state();
    int badCs = Selectors.codeError(v, s.cs);
    if (badCs >= 0) {
      deliver(v, badCs);
      return;
    }
    int badSs = Selectors.stackError(v, s.ss);
    if (badSs >= 0) {
      deliver(v, badSs);
    } else if (!Pte.isCanonical(s.rip)) {
      deliver(v, Vector.GP << 16);
    }
  }

  private static void deliver(Vcpu v, int vectorAndError) {
    Bounce.exception(v, vectorAndError >>> 16, vectorAndError & 0xFFFF);
  }
}
