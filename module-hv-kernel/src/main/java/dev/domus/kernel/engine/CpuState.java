package dev.domus.kernel.engine;

/**
 * The architectural register file of one vCPU, as it is between two instructions.
 *
 * <p>Fields are public and plain on purpose: this is the data structure that kernel and engine
 * exchange thousands of times a second, and every accessor would be a way to get its cost wrong. It
 * is owned by whoever runs the vCPU: the pCPU thread that is inside {@link VcpuEngine#run} or
 * handles its exit. Anyone else reads it only while the vCPU is descheduled.
 *
 * <p>PV guests run at CPL 3 throughout, kernel and user alike. Therefore IF is always 1 and IOPL
 * always 0 in {@link #rflags}; the kernel keeps the virtual values (xen-pv-abi.md, section 1).
 */
public final class CpuState {
  /** Index of a general register in {@link #gpr}, in the encoding of ModRM and REX. */
  public static final int RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;

  /** Index of an extended general register in {@link #gpr}. */
  public static final int R8 = 8,
      R9 = 9,
      R10 = 10,
      R11 = 11,
      R12 = 12,
      R13 = 13,
      R14 = 14,
      R15 = 15;

  /** RFLAGS bit (Intel SDM vol. 1, 3.4.3). */
  public static final long CF = 1,
      PF = 1 << 2,
      AF = 1 << 4,
      ZF = 1 << 6,
      SF = 1 << 7,
      TF = 1 << 8,
      IF = 1 << 9;

  /** RFLAGS bit (Intel SDM vol. 1, 3.4.3); {@code IOPL} is the two-bit field. */
  public static final long DF = 1 << 10,
      OF = 1 << 11,
      IOPL = 3 << 12,
      NT = 1 << 14,
      RF = 1 << 16,
      VM = 1 << 17;

  /** RFLAGS bit (Intel SDM vol. 1, 3.4.3). */
  public static final long AC = 1 << 18, VIF = 1 << 19, VIP = 1 << 20, ID = 1 << 21;

  /** The RFLAGS bits that read as one whatever a PV guest does: the fixed bit 1, and IF. */
  public static final long RFLAGS_ALWAYS = 2 | IF;

  /** CR0 bit: task switched; the next x87 or SSE instruction raises #NM. */
  public static final long CR0_TS = 1 << 3;

  /** CR4 bit. */
  public static final long CR4_TSD = 1 << 2,
      CR4_DE = 1 << 3,
      CR4_FSGSBASE = 1 << 16,
      CR4_OSXSAVE = 1 << 18;

  /** General registers, indexed by {@link #RAX} to {@link #R15}. */
  public final long[] gpr = new long[16];

  /** Address of the next instruction to execute. */
  public long rip;

  /** RFLAGS with all status bits materialized; includes {@link #RFLAGS_ALWAYS}. */
  public long rflags = RFLAGS_ALWAYS;

  /** Segment selectors as the guest reads them. */
  public int cs, ss, ds, es, fs, gs;

  /**
   * The live FS and GS bases: for GS, the one in use in the present guest mode (kernel or user).
   */
  public long fsBase, gsBase;

  /** Machine address of the L4 table in use; the low 12 bits are zero. */
  public long cr3;

  /** CR0 as in force for the guest; engines look at {@link #CR0_TS} alone. */
  public long cr0 = 0x80050033L;

  /** CR4 as in force for the guest: engines look at TSD, DE, FSGSBASE and OSXSAVE. */
  public long cr4 = 0x660L;

  /** Debug registers: [0..3] linear addresses, [6] status, [7] control; [4] and [5] are unused. */
  public final long[] dr = {0, 0, 0, 0, 0, 0, 0xFFFF0FF0L, 0x400L};

  /** What RDPID and RDTSCP report. */
  public int tscAux;

  /** x87 and SSE registers. */
  public final FpuState fpu = new FpuState();

  /**
   * What SGDT, SIDT and SLDT/STR report: addresses inside the hypervisor's range, by the ABI
   * unreadable.
   */
  public long gdtBase = 0xFFFF820000000000L, idtBase = 0xFFFF828000000000L;

  /** Limits beside {@link #gdtBase} and {@link #idtBase}. */
  public int gdtLimit = 0xEFFF, idtLimit = 0xFFF;

  /** CPUID raises #GP(0): CPUID faulting is on and the guest is in user mode. */
  public boolean cpuidFaults;

  /**
   * Set while the instruction that just completed was a MOV to SS or POP SS: debug exceptions are
   * held off for one instruction (Intel SDM vol. 3, 6.8.3).
   */
  public boolean ssShadow;

  /**
   * Guest instructions retired since the vCPU was made; the engine adds to it before {@code run}
   * returns.
   */
  public long retired;

  /** Vector of {@link Exit#EXCEPTION}. */
  public int exitVector;

  /** Error code of {@link Exit#EXCEPTION}, for the vectors that have one; else 0. */
  public int exitErrorCode;

  /** Linear address (CR2) of a page fault exit. */
  public long exitAddress;

  /** DR6 status bits of a #DB exit (B0-B3, BD, BS); the kernel merges them into the virtual DR6. */
  public long exitDebugStatus;

  /**
   * Takes over the registers of another vCPU state: all that instructions can change, and therefore
   * neither control registers nor {@link #retired} nor what belongs to an exit.
   */
  public void copyRegisters(CpuState from) {
    System.arraycopy(from.gpr, 0, gpr, 0, gpr.length);
    rip = from.rip;
    rflags = from.rflags;
    cs = from.cs;
    ss = from.ss;
    ds = from.ds;
    es = from.es;
    fs = from.fs;
    gs = from.gs;
    fsBase = from.fsBase;
    gsBase = from.gsBase;
    ssShadow = from.ssShadow;
    fpu.copy(from.fpu);
  }
}
