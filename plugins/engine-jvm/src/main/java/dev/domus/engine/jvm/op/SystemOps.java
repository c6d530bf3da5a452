package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Block;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Jump;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.engine.jvm.memory.LinearMemory;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.lang.invoke.VarHandle;

/** Instructions that concern the processor rather than data, as far as CPL 3 may execute them. */
final class SystemOps {
  /** Task register as a PV guest sees it: the hypervisor's TSS. */
  private static final int TASK_REGISTER = 0xE040;

  private SystemOps() {}

  /** SYSCALL: RF is clear in R11, as the instruction has completed. */
  static final class SystemCall extends Jump {
    SystemCall(Insn insn) {
      super(insn);
    }

    @Override
    public Block follow(Cpu c) {
      long after = c.r[Insn.PAGE] + next;
      c.r[CpuState.RCX] = after;
      c.r[CpuState.R11] = c.rflags() & ~CpuState.RF;
      c.exit = Exit.SYSCALL;
      return leaveSlowly(c, after);
    }
  }

  /** INT3, ICEBP: a trap, reported after the instruction. */
  static final class Trap extends Jump {
    private final int vector;

    Trap(Insn insn, int vector) {
      super(insn);
      this.vector = vector;
    }

    @Override
    public Block follow(Cpu c) {
      c.trap(vector);
      c.state.exitDebugStatus = 0;
      return leaveSlowly(c, c.r[Insn.PAGE] + next);
    }
  }

  /**
   * INT n: #GP with the gate's selector, for the gates of all vectors but 3 and 4 have DPL 0. INT 3
   * and INT 4 trap.
   */
  static final class SoftwareInterrupt extends Jump {
    private final int vector;

    SoftwareInterrupt(Insn insn) {
      super(insn);
      vector = (int) insn.imm & 0xFF;
    }

    @Override
    public Block follow(Cpu c) {
      if (vector != GuestFault.BP && vector != GuestFault.OF) {
        throw c.raise(GuestFault.GP, vector << 3 | 2);
      }
      c.trap(vector);
      return leaveSlowly(c, c.r[Insn.PAGE] + next);
    }
  }

  /** CPUID; serializing, so it ends its block. */
  static final class CpuId extends Jump {
    CpuId(Insn insn) {
      super(insn);
    }

    @Override
    public Block follow(Cpu c) {
      if (c.state.cpuidFaults) {
        throw c.raise(GuestFault.GP);
      }
      long[] r = c.r;
      int leaf = (int) r[CpuState.RAX];
      int subleaf = (int) r[CpuState.RCX];
      c.vcpu.cpuid(leaf, subleaf);
      long[] answer = c.state.gpr;
      r[CpuState.RAX] = answer[CpuState.RAX];
      r[CpuState.RBX] = answer[CpuState.RBX];
      r[CpuState.RCX] = answer[CpuState.RCX];
      r[CpuState.RDX] = answer[CpuState.RDX];
      return leaveSlowly(c, r[Insn.PAGE] + next);
    }
  }

  /** RDTSC and RDTSCP. */
  static final class ReadTimeStamp extends Op {
    private final boolean withAux;

    ReadTimeStamp(Insn insn, boolean withAux) {
      super(insn);
      this.withAux = withAux;
    }

    @Override
    public void execute(Cpu c) {
      if ((c.state.cr4 & CpuState.CR4_TSD) != 0) {
        throw c.raise(GuestFault.GP);
      }
      c.countRetired(this);
      long tsc = c.vcpu.tsc();
      c.r[CpuState.RAX] = tsc & 0xFFFFFFFFL;
      c.r[CpuState.RDX] = tsc >>> 32;
      if (withAux) {
        c.r[CpuState.RCX] = c.state.tscAux & 0xFFFFFFFFL;
      }
    }
  }

  /** RDPID. */
  static final class ReadProcessorId extends Op {
    private final int register;

    ReadProcessorId(Insn insn) {
      super(insn);
      register = insn.rm;
    }

    @Override
    public void execute(Cpu c) {
      c.r[register] = c.state.tscAux & 0xFFFFFFFFL;
    }
  }

  /** RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE: the /digit. */
  static final class SegmentBase extends Op {
    private final int register;
    private final int size;
    private final int base;
    private final boolean write;

    SegmentBase(Insn insn) {
      super(insn);
      register = insn.rm;
      size = insn.wide() ? 8 : 4;
      base = (insn.digit() & 1) == 0 ? Insn.FS_BASE : Insn.GS_BASE;
      write = insn.digit() >= 2;
    }

    @Override
    public void execute(Cpu c) {
      c.requireCr4(CpuState.CR4_FSGSBASE);
      long[] r = c.r;
      if (write) {
        long value = Registers.get(r, register, size);
        c.checkTarget(value);
        r[base] = value;
      } else {
        Registers.set(r, register, size, r[base]);
      }
    }
  }

  /** XGETBV: XCR0 has x87 and SSE state, and nothing else is offered. */
  static final class GetXcr extends Op {
    GetXcr(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.requireCr4(CpuState.CR4_OSXSAVE);
      if ((int) c.r[CpuState.RCX] != 0) {
        throw c.raise(GuestFault.GP);
      }
      c.r[CpuState.RAX] = 3;
      c.r[CpuState.RDX] = 0;
    }
  }

  /** XSETBV: #GP at CPL 3, if it exists at all. */
  static final class SetXcr extends Op {
    SetXcr(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      c.requireCr4(CpuState.CR4_OSXSAVE);
      throw c.raise(GuestFault.GP);
    }
  }

  /** SGDT and SIDT: a 16-bit limit and a 64-bit base. */
  static final class StoreTable extends Op {
    private final Address address;
    private final boolean gdt;

    StoreTable(Insn insn) {
      super(insn);
      address = new Address(insn);
      gdt = insn.digit() == 0;
    }

    @Override
    public void execute(Cpu c) {
      CpuState s = c.state;
      long va = address.of(c);
      c.mem.probeWrite(va + 2, 8);
      c.mem.storeWord(va, gdt ? s.gdtLimit : s.idtLimit);
      c.mem.storeQword(va + 2, gdt ? s.gdtBase : s.idtBase);
    }
  }

  /** SLDT, STR and SMSW: 16 bits to memory, the operand size to a register. */
  static final class StoreSystem extends Op {
    private final Place to;
    private final boolean machineStatus;
    private final boolean task;

    StoreSystem(Insn insn) {
      super(insn);
      to = Place.rm(insn, insn.memory ? 2 : insn.size);
      machineStatus = insn.op() == 1;
      task = insn.digit() == 1;
    }

    @Override
    public void execute(Cpu c) {
      to.store(c, machineStatus ? c.state.cr0 : task ? TASK_REGISTER : 0);
    }
  }

  /** LFENCE, MFENCE and SFENCE. */
  static final class Fence extends Op {
    private final int digit;

    Fence(Insn insn) {
      super(insn);
      digit = insn.digit();
    }

    @Override
    public void execute(Cpu c) {
      if (digit == 6) {
        VarHandle.fullFence();
      } else if (digit == 5) {
        VarHandle.acquireFence();
      } else {
        VarHandle.releaseFence();
      }
    }
  }

  /** CLFLUSH and its kind: nothing to flush, but the address is checked like a load's. */
  static final class FlushLine extends Op {
    private final Address address;

    FlushLine(Insn insn) {
      super(insn);
      address = new Address(insn);
    }

    @Override
    public void execute(Cpu c) {
      LinearMemory mem = c.mem;
      mem.probeRead(address.of(c), 1);
    }
  }

  /** NOP in all lengths, PAUSE, ENDBR, PREFETCH. */
  static final class Nothing extends Op {
    Nothing(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {}
  }

  /** PAUSE: tells the processor, so that a spinning vCPU is kind to the host. */
  static final class Pause extends Op {
    Pause(Insn insn) {
      super(insn);
    }

    @Override
    public void execute(Cpu c) {
      Thread.onSpinWait();
    }
  }
}
