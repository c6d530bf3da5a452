package dev.domus.engine.jvm.interp;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.engine.jvm.memory.LinearMemory;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.VcpuEngine;

/**
 * The interpreter: runs one vCPU from block to block.
 *
 * <p>Three loops, one inside the other:
 *
 * <ol>
 *   <li>{@link #run} looks at what may happen between instructions (kick, budget, debug events) and
 *       chooses the pace;
 *   <li>{@link #burst} goes from block to block as long as each names its successor; the budget is
 *       charged and the kick flag read once a block;
 *   <li>inside a block, one virtual call an instruction.
 * </ol>
 *
 * <p>RIP is not maintained while a block runs: it is the page's address plus the offset in the
 * operation at hand, and is worked out when something faults. That, and operations that change
 * nothing before they can no longer fault, is all that precise exceptions take.
 *
 * <p><b>Stepping.</b> While TF, RF, an enabled breakpoint or the shadow of a MOV to SS is in force,
 * instructions are run one at a time by {@link #step}, which does all that is to be done around
 * each. Instructions that can bring about such a state end their block and leave by the slow way,
 * so the fast loops never have to look.
 */
public final class Interpreter implements VcpuEngine {
  private static final long DR7_ENABLES = 0xFF;

  /** DR6.BS. */
  private static final long SINGLE_STEP = 1 << 14;

  private final Cpu c;
  private final CodeCache code;
  private final CpuState state;
  private final GuestFault fault = new GuestFault();

  /** Data breakpoints hit by a MOV to SS: reported after the instruction that follows it. */
  private long heldHits;

  /**
   * Makes the interpreter of one vCPU.
   *
   * @param instructions turns decoded instructions into their executable form
   */
  public Interpreter(EngineMachine machine, EngineVcpu vcpu, InstructionSet instructions) {
    state = vcpu.state();
    code = new CodeCache(machine.codeFrames(), machine.frames(), vcpu, instructions);
    c =
        new Cpu(
            vcpu,
            new LinearMemory(machine.memory(), machine.codeFrames(), code, fault, vcpu.io()),
            fault,
            code);
  }

  @Override
  public Exit run(long budget) {
    c.load();
    c.mem.load(state);
    c.remaining = budget;
    c.exit = null;
    Exit exit = null;
    while (exit == null) {
      if (c.kicked) {
        c.kicked = false;
        exit = Exit.KICKED;
      } else if (c.remaining <= 0) {
        exit = Exit.BUDGET;
      } else {
        exit = mustStep() ? step(false) : burst();
      }
    }
    state.retired += budget - c.remaining;
    c.save();
    return exit;
  }

  @Override
  public Exit stepOver(long va, long mfn) {
    c.load();
    c.mem.load(state);
    c.system |= CpuState.RF; // passes instruction breakpoints
    c.remaining = 1;
    c.exit = null;
    c.mem.overlay(va, mfn);
    Exit exit;
    try {
      exit = step(true);
    } finally {
      c.mem.endOverlay();
    }
    state.retired += 1 - c.remaining;
    c.save();
    return exit == null ? Exit.BUDGET : exit;
  }

  /** Runs blocks until there is none to go on with. */
  private Exit burst() {
    Block b = null;
    int i = -1;
    try {
      b = code.find(c, c.rip);
      do {
        i = 0;
        Op[] ops = b.ops;
        for (; i < ops.length; i++) {
          ops[i].execute(c);
        }
        Block following = b.end.follow(c);
        c.remaining -= b.count;
        i = -1;
        if (following == null) {
          return c.exit;
        }
        b = following;
      } while (c.remaining > 0 && !c.kicked);
      c.rip = c.r[Insn.PAGE] + b.at;
      return null;
    } catch (GuestFault f) {
      if (i < 0) {
        return faulted(f, null); // the fetch: RIP is where it should have been
      }
      Op op = i < b.ops.length ? b.ops[i] : b.end;
      c.rip = c.r[Insn.PAGE] + op.at;
      c.remaining -= i;
      return faulted(f, op);
    }
  }

  private Exit faulted(GuestFault f, Op op) {
    int vector = f.vector;
    if (vector == GuestFault.STOP) {
      return null;
    }
    if (vector == GuestFault.NON_CANONICAL) {
      vector = op != null && op.inStackSegment ? GuestFault.SS : GuestFault.GP;
    }
    state.exitVector = vector;
    state.exitErrorCode = f.errorCode;
    state.exitAddress = f.address;
    return Exit.EXCEPTION;
  }

  // ---- one at a time ----

  private boolean mustStep() {
    return (c.system & (CpuState.TF | CpuState.RF)) != 0
        || state.ssShadow
        || (state.dr[7] & DR7_ENABLES) != 0;
  }

  /**
   * Runs one instruction.
   *
   * @param repeated whether it has been tried before and is worth a block that is kept
   */
  private Exit step(boolean repeated) {
    boolean trap = (c.system & CpuState.TF) != 0;
    if ((c.system & CpuState.RF) == 0 && !state.ssShadow) {
      long hit = instructionBreakpoints(c.rip);
      if (hit != 0) {
        return debug(hit);
      }
    }
    long budget = c.remaining;
    c.remaining = 1; // a repeated instruction pauses after each iteration
    state.ssShadow = false;
    c.system &= ~CpuState.RF;
    Op op = null;
    try {
      Block b = repeated ? again() : code.findOne(c, c.rip);
      op = b.ops.length > 0 ? b.ops[0] : b.end;
      executeOne(b, op);
      c.remaining = budget - 1;
    } catch (GuestFault f) {
      boolean iterated = c.remaining <= 0;
      c.remaining = iterated ? budget - 1 : budget;
      if (f.vector != GuestFault.STOP || !iterated) {
        c.mem.takeBreakpointHits();
        return faulted(f, op);
      }
    }
    heldHits |= c.mem.takeBreakpointHits();
    if (state.ssShadow) {
      return c.exit;
    }
    long hits = heldHits | (trap ? SINGLE_STEP : 0);
    heldHits = 0;
    return c.exit != null || hits == 0 ? c.exit : debug(hits);
  }

  /** A block that begins with the one instruction: any but one that consists of a fused jump. */
  private Block again() {
    Block b = code.find(c, c.rip);
    return b.ops.length > 0 ? b : code.findOne(c, c.rip);
  }

  private void executeOne(Block b, Op op) {
    if (op == b.end) {
      Block following = b.end.follow(c);
      if (following != null) {
        c.rip = c.r[Insn.PAGE] + following.at;
      }
    } else {
      long page = c.r[Insn.PAGE];
      op.execute(c);
      c.rip = page + op.next;
    }
  }

  private Exit debug(long status) {
    state.exitVector = GuestFault.DB;
    state.exitErrorCode = 0;
    state.exitDebugStatus = status;
    return Exit.EXCEPTION;
  }

  private long instructionBreakpoints(long va) {
    long dr7 = state.dr[7];
    long hit = 0;
    for (int n = 0; n < 4; n++) {
      boolean enabled = (dr7 >>> 2 * n & 3) != 0 && (dr7 >>> 16 + 4 * n & 3) == 0;
      if (enabled && state.dr[n] == va) {
        hit |= 1L << n;
      }
    }
    return hit;
  }

  // ---- from the kernel ----

  @Override
  public void kick() {
    c.kicked = true;
  }

  @Override
  public void invalidate(long invalidation) {
    c.mem.invalidate(invalidation);
  }

  @Override
  public String instructionAt(long va) {
    c.load();
    c.mem.load(state);
    return code.describe(c, va);
  }

  @Override
  public void close() {
    code.clear();
  }
}
