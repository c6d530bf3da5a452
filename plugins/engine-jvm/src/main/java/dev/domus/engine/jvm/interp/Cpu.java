package dev.domus.engine.jvm.interp;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.engine.jvm.memory.LinearMemory;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;

/**
 * What instructions work on while a vCPU runs: the register file in the form that is cheapest to
 * compute with.
 *
 * <p><b>Registers.</b> {@link #r} holds the general registers and, behind them, pseudo registers
 * ({@link Insn#ZERO} and following), so that every effective address is {@code r[base] + (r[index]
 * << scale) + disp + r[segment]} without a branch.
 *
 * <p><b>Status flags</b> are lazy: an instruction leaves its result and a word of carries, and a
 * flag is computed when it is asked for. {@link #res} is the result, sign-extended; {@link #aux} is
 *
 * <pre>
 *    63   62        3        1    0
 *   +----+----+---+----+---+----+----+
 *   | CF | b  |   | AF |   | dP | dS |    OF = CF xor b;  ZF = (res == 0)
 *   +----+----+---+----+---+----+----+    SF = (res &lt; 0) xor dS;  PF = even parity of res[7:0] xor dP
 * </pre>
 *
 * so that bits 63 and 62 are simply the two top bits of the vector of carries out of each bit
 * position. dS and dP are zero but for flags that were loaded (POPF, SAHF) and agree with no
 * result. Other bits of {@code aux} are zero.
 *
 * <p>Loaded from {@link CpuState} when a run begins, stored back when it ends and around calls to
 * the kernel.
 */
public final class Cpu {
  /** The two carry bits of {@link #aux}. */
  public static final long CARRIES = 3L << 62;

  /** AF, dP and dS in {@link #aux}. */
  public static final long AUX_AF = 8, AUX_DP = 2, AUX_DS = 1;

  /** RFLAGS bits that are not status flags and that exist at CPL 3. */
  private static final long SYSTEM_FLAGS =
      CpuState.TF | CpuState.DF | CpuState.NT | CpuState.RF | CpuState.AC | CpuState.ID;

  /** RFLAGS bits that POPF changes at CPL 3 with IOPL 0. */
  public static final long POPF_MASK =
      CpuState.TF | CpuState.DF | CpuState.NT | CpuState.AC | CpuState.ID;

  private static final long STATUS =
      CpuState.CF | CpuState.PF | CpuState.AF | CpuState.ZF | CpuState.SF | CpuState.OF;

  /** General and pseudo registers. */
  public final long[] r = new long[32];

  /** Lazy status flags. */
  public long res, aux;

  /** RFLAGS bits other than the status flags. */
  public long system;

  /** Target of a jump that has no cached block: the interpreter goes on there. */
  public long rip;

  /** Set by an instruction that ends the run. */
  public Exit exit;

  /** Instructions that may still retire in this run. */
  public long remaining;

  /** What {@link #remaining} was when {@link CpuState#retired} was last brought up to date. */
  long counted;

  /** Set by {@link #kick} from any thread, cleared when the run returns for it. */
  public volatile boolean kicked;

  /** CR0.TS as of this run. */
  public boolean taskSwitched;

  /** The address space. */
  public final LinearMemory mem;

  /** The kernel's register file. */
  public final CpuState state;

  /** The kernel's side of the vCPU. */
  public final EngineVcpu vcpu;

  /** What is thrown when an instruction faults. */
  public final GuestFault fault;

  /** Where jumps find their targets. */
  public final CodeCache code;

  Cpu(EngineVcpu vcpu, LinearMemory mem, GuestFault fault, CodeCache code) {
    this.vcpu = vcpu;
    this.state = vcpu.state();
    this.mem = mem;
    this.fault = fault;
    this.code = code;
  }

  /** RFLAGS of {@link #state} that the lazy flags stand for when nothing runs. */
  private long exchangedFlags = -1;

  // ---- exchange with the kernel's register file ----

  /** Takes everything over from the kernel's register file. */
  public void load() {
    CpuState s = state;
    System.arraycopy(s.gpr, 0, r, 0, 16);
    r[Insn.ZERO] = 0;
    r[Insn.FS_BASE] = s.fsBase;
    r[Insn.GS_BASE] = s.gsBase;
    rip = s.rip;
    if (s.rflags != exchangedFlags) { // after a hypercall they are as they were left
      exchangedFlags = s.rflags;
      setRflags(s.rflags);
    }
    taskSwitched = (s.cr0 & CpuState.CR0_TS) != 0;
  }

  /** Gives everything back, with {@link #rip} as the instruction pointer. */
  public void save() {
    CpuState s = state;
    System.arraycopy(r, 0, s.gpr, 0, 16);
    s.fsBase = r[Insn.FS_BASE];
    s.gsBase = r[Insn.GS_BASE];
    s.rip = rip;
    exchangedFlags = rflags();
    s.rflags = exchangedFlags;
  }

  // ---- flags ----

  /** All of RFLAGS, as PUSHF shows it. */
  public long rflags() {
    return status() | system | CpuState.RFLAGS_ALWAYS;
  }

  /** The status flags in their places. */
  public long status() {
    long flags = aux >>> 63 | (aux & AUX_AF) << 1;
    if (parity()) {
      flags |= CpuState.PF;
    }
    if (res == 0) {
      flags |= CpuState.ZF;
    }
    if (sign()) {
      flags |= CpuState.SF;
    }
    if (overflow()) {
      flags |= CpuState.OF;
    }
    return flags;
  }

  /** Sets all of RFLAGS that exists at CPL 3. */
  public void setRflags(long rflags) {
    setStatus(rflags);
    system = rflags & SYSTEM_FLAGS;
  }

  /** Sets the six status flags from their places. */
  public void setStatus(long flags) {
    boolean zero = (flags & CpuState.ZF) != 0;
    res = zero ? 0 : 1; // parity of 0 is even, of 1 odd
    long cf = flags & 1;
    long of = flags >>> 11 & 1;
    long a = cf << 63 | (cf ^ of) << 62 | (flags & CpuState.AF) >>> 1;
    if ((flags & CpuState.SF) != 0) {
      a |= AUX_DS;
    }
    if ((flags & CpuState.PF) != 0 != zero) {
      a |= AUX_DP;
    }
    aux = a;
  }

  /** Replaces some status flags. */
  public void setStatus(long flags, long mask) {
    setStatus(status() & ~mask | flags & mask);
  }

  /** Sets CF and leaves the others. */
  public void setCarry(long cf) {
    long of = (aux ^ aux << 1) >>> 63;
    aux = aux & ~CARRIES | cf << 63 | (cf ^ of) << 62;
  }

  /** CF as 0 or 1. */
  public long carry() {
    return aux >>> 63;
  }

  /** OF. */
  public boolean overflow() {
    return (aux ^ aux << 1) < 0;
  }

  /** SF. */
  public boolean sign() {
    return (res ^ aux << 63) < 0;
  }

  /** PF. */
  public boolean parity() {
    int b = (int) res & 0xFF;
    b ^= b >> 4;
    // 0x9669: bit n is set if n has even parity
    return ((0x9669 >> (b & 15) ^ (int) aux >> 1) & 1) != 0;
  }

  /** Evaluates a condition code (Intel SDM vol. 2, appendix B.1.4). */
  public boolean condition(int code) {
    boolean holds =
        switch (code >> 1) {
          case 0 -> overflow();
          case 1 -> aux < 0;
          case 2 -> res == 0;
          case 3 -> aux < 0 || res == 0;
          case 4 -> sign();
          case 5 -> parity();
          case 6 -> sign() != overflow();
          default -> res == 0 || sign() != overflow();
        };
    return holds == ((code & 1) == 0);
  }

  // ---- counting ----

  /** Brings the kernel's count of retired instructions up to date in the middle of a run. */
  public void countRetired(Op present) {
    long left = remaining - present.before;
    state.retired += counted - left;
    counted = left;
  }

  // ---- leaving the straight path ----

  /** An exception for vectors without error code, or with error code 0. */
  public GuestFault raise(int vector) {
    return fault.of(vector, 0);
  }

  /** An exception with an error code. */
  public GuestFault raise(int vector, int errorCode) {
    return fault.of(vector, errorCode);
  }

  /** To be thrown by an instruction that must be restarted later. */
  public GuestFault stop() {
    return fault.of(GuestFault.STOP, 0);
  }

  /** Says whether a repeated instruction has to pause between two iterations. */
  public boolean mustPause() {
    return remaining <= 0 || kicked;
  }

  /** Ends the run with a trap: {@link #rip} has been set to what follows. */
  public void trap(int vector) {
    state.exitVector = vector;
    state.exitErrorCode = 0;
    exit = Exit.EXCEPTION;
  }

  /**
   * Throws #GP(0) for a branch target that is not canonical; the branch has changed nothing yet.
   */
  public void checkTarget(long va) {
    if (va << 16 >> 16 != va) {
      throw fault.of(GuestFault.GP, 0);
    }
  }

  /** Throws #UD for a feature that CR4 must have enabled. */
  public void requireCr4(long bit) {
    if ((state.cr4 & bit) == 0) {
      throw fault.of(GuestFault.UD, 0);
    }
  }
}
