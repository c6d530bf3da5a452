package dev.domus.kernel.trap;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.hypercall.HypercallTable;

/** SYSCALL was executed: a hypercall from guest kernel mode, a system call from guest user mode. */
public final class SyscallExit {
  private static final int SYSCALL_LENGTH = 2;

  private final Vcpu vcpu;
  private final HypercallTable table;

  /** Makes the handler of one vCPU. */
  public SyscallExit(Vcpu vcpu) {
    this.vcpu = vcpu;
    table = vcpu.domain().hypervisor().hypercalls();
  }

  /** Handles the exit. */
  public void handle() {
    if (vcpu.kernelMode()) {
      CpuState s = vcpu.state();
      s.cs = TrapState.FLAT_KERNEL_CS;
      s.ss = TrapState.FLAT_KERNEL_SS;
      table.dispatch(vcpu);
    } else if (vcpu.traps().syscallCallback == 0) {
      vcpu.state().rip -= SYSCALL_LENGTH;
      Bounce.exception(vcpu, Vector.UD, 0);
    } else {
      Bounce.systemCall(vcpu);
    }
  }
}
