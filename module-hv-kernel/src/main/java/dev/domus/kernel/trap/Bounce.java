package dev.domus.kernel.trap;

import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.hypercall.GuestFault;
import java.lang.foreign.ValueLayout;

/**
 * Entering the guest kernel: exceptions, event upcalls, NMIs and guest system calls (xen-pv-abi.md,
 * 8.3 to 8.6).
 *
 * <p>All four push the same frame on the kernel's stack and differ in the handler and in whether
 * events become masked:
 *
 * <pre>
 *   high   SS
 *          RSP
 *          RFLAGS      IF = !upcall_mask, IOPL = virtual IOPL if architectural_iopl is on, else 0
 *          CS          bits 32..39: the old upcall_mask; RPL cleared if the kernel itself was interrupted
 *          RIP
 *          [error code]
 *          R11
 *   low    RCX         ← new RSP
 * </pre>
 *
 * <p>The whole frame is checked to be writable, through the kernel's page tables, before the first
 * word is stored. If it is not, there is no way to tell the guest, and the domain crashes: this is
 * a PV guest's double fault.
 *
 * <p>Methods return false if the domain has been crashed.
 */
public final class Bounce {
  private static final long CLEARED_ON_ENTRY =
      CpuState.AC | CpuState.VM | CpuState.RF | CpuState.NT | CpuState.TF;

  private Bounce() {}

  /**
   * Delivers an exception.
   *
   * @param errorCode pushed if the vector has one; −1 for a software interrupt, which has none
   */
  static boolean exception(Vcpu v, int vector, int errorCode) {
    TrapState traps = v.traps();
    long handler = traps.address(vector);
    if (handler == 0) {
      v.domain().crash(v, unhandled(v, vector, errorCode), null);
      return false;
    }
    return enter(
        v,
        handler,
        traps.masksEvents(vector),
        errorCode >= 0 && Vector.hasErrorCode(vector),
        errorCode,
        v.kernelMode() ? v.state().cs & 0xFFFC : v.state().cs,
        v.state().ss);
  }

  /** Delivers what is due before the guest runs: an NMI first, then the event upcall. */
  public static boolean pending(Vcpu v) {
    if (v.traps().nmiDeliverable() && !nmi(v)) {
      return false;
    }
    return !v.upcallDeliverable() || event(v);
  }

  /** Delivers the event upcall. */
  private static boolean event(Vcpu v) {
    long handler = v.traps().eventCallback;
    if (handler == 0) {
      v.domain().crash(v, "event upcall without a registered event callback", null);
      return false;
    }
    return interrupt(v, handler, true);
  }

  /** Delivers an NMI through the gate of its vector; without a handler it is dropped. */
  private static boolean nmi(Vcpu v) {
    v.traps().nmiPending = false;
    long handler = v.traps().address(Vector.NMI);
    if (handler == 0) {
      return true;
    }
    v.traps().nmiMasked = true;
    return interrupt(v, handler, v.traps().masksEvents(Vector.NMI));
  }

  private static boolean interrupt(Vcpu v, long handler, boolean maskEvents) {
    CpuState s = v.state();
    return enter(v, handler, maskEvents, false, 0, v.kernelMode() ? s.cs & 0xFFFC : s.cs, s.ss);
  }

  /** Delivers a page fault: CR2 first, and the error code as a PV guest expects it. */
  static boolean pageFault(Vcpu v, long address, int hardwareErrorCode) {
    setCr2(v, address);
    int code = hardwareErrorCode & ~(4 | 8) | (v.kernelMode() ? 0 : 4);
    return exception(v, Vector.PF, code);
  }

  /** Sets the virtual CR2, in both places where the guest can read it. */
  static void setCr2(Vcpu v, long address) {
    v.traps().cr2 = address;
    if (v.vcpuInfo() >= 0) {
      v.domain()
          .hypervisor()
          .memory()
          .set(ValueLayout.JAVA_LONG, v.vcpuInfo() + SharedInfoLayout.CR2, address);
    }
  }

  /**
   * Delivers a 64-bit system call of the guest's user mode; RCX, R11 and RIP are as SYSCALL left
   * them.
   */
  static boolean systemCall(Vcpu v) {
    TrapState traps = v.traps();
    boolean entered =
        enter(
            v,
            traps.syscallCallback,
            traps.syscallMasks,
            false,
            0,
            TrapState.FLAT_KERNEL_CS,
            TrapState.FLAT_KERNEL_SS);
    v.state().rflags &= ~CpuState.DF;
    return entered;
  }

  private static boolean enter(
      Vcpu v, long handler, boolean maskEvents, boolean pushError, int errorCode, int cs, int ss) {
    CpuState s = v.state();
    TrapState traps = v.traps();
    long[] gpr = s.gpr;
    boolean fromUser = !v.kernelMode();
    long oldRsp = gpr[CpuState.RSP];
    v.enterKernel();
    long top = (fromUser ? traps.kernelSp : oldRsp) & ~15L;
    int words = pushError ? 8 : 7;
    long at = top - 8L * words;
    int mask = v.upcallMask();
    long flags =
        s.rflags & ~(CpuState.IF | CpuState.IOPL)
            | (mask == 0 ? CpuState.IF : 0)
            | (v.domain().assist(VmAssist.ARCHITECTURAL_IOPL) ? (long) traps.iopl << 12 : 0);
    try {
      v.guest().requireWritable(at, 8L * words);
      v.guest().putLong(at, gpr[CpuState.RCX]);
      v.guest().putLong(at + 8, gpr[CpuState.R11]);
      long next = at + 16;
      if (pushError) {
        v.guest().putLong(next, errorCode);
        next += 8;
      }
      v.guest().putLong(next, s.rip);
      v.guest().putLong(next + 8, cs & 0xFFFFL | (long) mask << 32);
      v.guest().putLong(next + 16, flags);
      v.guest().putLong(next + 24, oldRsp);
      v.guest().putLong(next + 32, ss & 0xFFFFL);
    } catch (GuestFault e) {
      v.domain()
          .crash(
              v,
              "a trap frame cannot be written to the kernel stack rsp=0x" + Long.toHexString(top),
              null);
      return false;
    }
    if (maskEvents) {
      v.setUpcallMask(1);
    }
    gpr[CpuState.RSP] = at;
    s.rip = handler;
    s.cs = TrapState.FLAT_KERNEL_CS;
    s.ss = TrapState.FLAT_KERNEL_SS;
    s.rflags &= ~CLEARED_ON_ENTRY;
    s.ssShadow = false;
    return true;
  }

  private static String unhandled(Vcpu v, int vector, int errorCode) {
    StringBuilder why = new StringBuilder("unhandled ").append(Vector.name(vector));
    if (errorCode >= 0 && Vector.hasErrorCode(vector)) {
      why.append(" error_code=0x").append(Integer.toHexString(errorCode));
    }
    if (vector == Vector.PF) {
      why.append(" cr2=0x").append(Long.toHexString(v.traps().cr2));
    }
    return why.append(": the guest has no trap handler for it").toString();
  }
}
