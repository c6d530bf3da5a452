package dev.domus.kernel.trap;

import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.exception;
import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.syscall;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A guest with one vCPU that traps as it is told, for tests of what its kernel then finds. */
abstract class TrappingGuest {
  static final long HANDLER = 0x8000, USER_STACK = 14 << 12, KERNEL_STACK = 12 << 12;
  static final long SCRATCH = 6 << 12, CODE = 0x5000;
  static final int USER_CS = 0xE033, USER_SS = 0xE02B;

  final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  Domain domain;
  Vcpu vcpu;
  ScriptedVcpu guest;

  @BeforeEach
  void start() {
    domain = machine.start();
    vcpu = domain.vcpu(0);
    guest = machine.engine().vcpu(0);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  void registerTrap(int vector, int flags, long handler) {
    guest.step(s -> {
      vcpu.guest().putLong(SCRATCH, vector | flags << 8 | 0xE033L << 16);
      vcpu.guest().putLong(SCRATCH + 8, handler);
      vcpu.guest().putLong(SCRATCH + 16, 0);
      vcpu.guest().putLong(SCRATCH + 24, 0);
      return syscall(s, HypercallNumber.SET_TRAP_TABLE, SCRATCH);
    });
    assertEquals(0, vcpu.state().gpr[CpuState.RAX]);
  }

  void registerCallback(int type, long handler) {
    guest.step(s -> {
      vcpu.guest().putLong(SCRATCH, type);
      vcpu.guest().putLong(SCRATCH + 8, handler);
      return syscall(s, HypercallNumber.CALLBACK_OP, 0, SCRATCH);
    });
    assertEquals(0, vcpu.state().gpr[CpuState.RAX]);
  }

  long stack(int word) {
    return vcpu.guest().getLong(vcpu.state().gpr[CpuState.RSP] + 8L * word);
  }

  void enterUser(long rip) {
    guest.step(s -> {
      vcpu.guest().putLong(SCRATCH, vcpu.kernelTable());
      vcpu.setUserTable(vcpu.kernelTable()); // the same table serves both, as some kernels have it
      vcpu.traps().setKernelStack(USER_SS, KERNEL_STACK);
      return Exit.BUDGET;
    });
    iret(rip, USER_CS, 0x202, USER_STACK, USER_SS, 0);
    assertTrue(!vcpu.kernelMode());
  }

  void iret(long rip, long cs, long rflags, long rsp, long ss, long flags) {
    guest.step(s -> {
      long[] frame = {0xA1, 0xB2, 0xC3, flags, rip, cs, rflags, rsp, ss};
      long at = KERNEL_STACK - 8L * frame.length;
      for (int i = 0; i < frame.length; i++) {
        vcpu.guest().putLong(at + 8L * i, frame[i]);
      }
      s.gpr[CpuState.RSP] = at;
      return syscall(s, HypercallNumber.IRET);
    });
  }

  /** Has the vCPU stop with #GP(0) at an instruction. */
  CpuState privileged(int... bytes) {
    return guest.step(c -> {
      put(CODE, bytes);
      c.rip = CODE;
      return exception(c, Vector.GP, 0, 0);
    });
  }

  void put(long va, int... bytes) {
    for (int i = 0; i < bytes.length; i++) {
      vcpu.guest().putByte(va + i, bytes[i]);
    }
  }

  /** Sets a register of the vCPU while it is in guest mode. */
  void set(int register, long value) {
    guest.step(c -> {
      c.gpr[register] = value;
      return Exit.BUDGET;
    });
  }
}
