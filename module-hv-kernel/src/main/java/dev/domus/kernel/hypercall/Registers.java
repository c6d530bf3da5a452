package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.trap.DebugRegisters;
import dev.domus.kernel.trap.VmAssist;
import dev.domus.memory.paging.Pte;

/** The hypercalls that set one register or switch: too small for a class each. */
final class Registers {
  private static final int FS_BASE = 0, GS_BASE_USER = 1, GS_BASE_KERNEL = 2, GS_SELECTOR_USER = 3;
  private static final int TABLE_INDICATOR = 4;

  private static final int ENABLE = 0, DISABLE = 1;

  /** What there is of vm_assist. */
  static final Subops VM_ASSIST =
      Subops.byArgument().done(ENABLE, "enable").done(DISABLE, "disable");

  /** What there is of set_segment_base. */
  static final Subops SEGMENT_BASE =
      Subops.byArgument()
          .done(FS_BASE, "fs")
          .done(GS_BASE_USER, "gs_user")
          .done(GS_BASE_KERNEL, "gs_kernel")
          .done(GS_SELECTOR_USER, "gs_user_sel");

  private Registers() {}

  /** stack_switch (3): the stack on which the kernel is entered from user mode. */
  static long stackSwitch(Vcpu v, long ss, long rsp, long a3, long a4, long a5) {
    v.traps().setKernelStack((int) ss & 0xFFFF, rsp);
    return 0;
  }

  /** fpu_taskswitch (5): sets or clears the virtual CR0.TS. */
  static long fpuTaskswitch(Vcpu v, long set, long a2, long a3, long a4, long a5) {
    if ((int) set != 0) {
      v.state().cr0 |= CpuState.CR0_TS;
    } else {
      v.state().cr0 &= ~CpuState.CR0_TS;
    }
    return 0;
  }

  /** set_debugreg (8). */
  static long setDebugreg(Vcpu v, long register, long value, long a3, long a4, long a5) {
    return DebugRegisters.write(v.state(), (int) register, value);
  }

  /** get_debugreg (9). */
  static long getDebugreg(Vcpu v, long register, long a2, long a3, long a4, long a5) {
    return DebugRegisters.read(v.state(), (int) register);
  }

  /** vm_assist (21). */
  static long vmAssist(Vcpu v, long command, long type, long a3, long a4, long a5) {
    if (!VmAssist.exists((int) type)) {
      return -Errno.EINVAL;
    }
    return switch ((int) command) {
      case ENABLE, DISABLE ->
          v.domain().setAssist((int) type, command == ENABLE) ? 0 : -Errno.ENOMEM;
      default -> -Errno.ENOSYS;
    };
  }

  /** set_segment_base (25). */
  static long setSegmentBase(Vcpu v, long which, long base, long a3, long a4, long a5) {
    int register = (int) which; // 32 bits count
    if (register == GS_SELECTOR_USER) {
      return loadUserGs(v, (int) base & 0xFFFF);
    }
    if (!Pte.isCanonical(base)) {
      return -Errno.EINVAL;
    }
    switch (register) {
      case FS_BASE -> v.state().fsBase = base;
      case GS_BASE_USER -> v.setInactiveGsBase(base);
      case GS_BASE_KERNEL -> v.state().gsBase = base;
      default -> {
        return -Errno.EINVAL;
      }
    }
    return 0;
  }

  /** Loads the user's GS selector; one that would fault becomes null, silently. */
  private static long loadUserGs(Vcpu v, int requested) {
    int selector = requested > 3 ? requested | 3 : requested;
    long base = 0;
    if (selector > 3) {
      if ((selector & TABLE_INDICATOR) != 0) {
        v.domain().mmu().attachLdt(v, selector); // if its page has not been used yet
      }
      long d = v.descriptor(selector);
      boolean loadable = (d >>> 47 & 1) != 0 && (d >>> 44 & 1) != 0 && (d >>> 41 & 5) != 4;
      if (loadable) {
        base = d >>> 16 & 0xFFFFFF | d >>> 32 & 0xFF000000L;
      } else {
        selector = 0;
      }
    }
    v.state().gs = selector;
    v.setInactiveGsBase(base);
    return 0;
  }
}
