package dev.domus.kernel.engine;

/** Why {@link VcpuEngine#run} returned. In every case {@link CpuState} is architecturally exact. */
public enum Exit {
  /** The instruction budget is spent; the vCPU can simply be run again. */
  BUDGET,

  /** {@link VcpuEngine#kick} was called, before or during the run. */
  KICKED,

  /**
   * SYSCALL in 64-bit code was executed and has completed as on hardware: RCX holds the next RIP,
   * R11 the RFLAGS, and {@link CpuState#rip} the next instruction. Whether that is a hypercall or a
   * guest system call is the kernel's to say.
   */
  SYSCALL,

  /**
   * An exception: {@link CpuState#exitVector}, {@link CpuState#exitErrorCode} and, for #PF, {@link
   * CpuState#exitAddress} tell which. Faults leave RIP at the instruction, traps (#BP, #OF, single
   * step) after it. {@code INT n} with n other than 3 and 4 is reported as the hardware does with a
   * DPL 0 gate: #GP with error code {@code n << 3 | 2} and RIP at the INT.
   */
  EXCEPTION
}
