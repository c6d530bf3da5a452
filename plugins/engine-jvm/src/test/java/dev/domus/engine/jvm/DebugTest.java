package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Single steps, breakpoints and the shadow of MOV SS. */
class DebugTest {
  private static final long CODE = 0x10000, DATA = 0x20000;
  private static final long BS = 1 << 14;
  private TestMachine machine;
  private TestVcpu vcpu;
  private CpuState s;

  @BeforeEach
  void makeMachine() {
    machine = new TestMachine(64);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.map(DATA, 1, TestMachine.WRITABLE);
    vcpu = machine.vcpu();
    s = vcpu.state;
    s.rip = CODE;
    s.gpr[CpuState.RSP] = DATA + 0x800;
    s.gpr[CpuState.RBX] = DATA;
  }

  private void expectDebug(long rip, long status) {
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1000));
    assertEquals(1, s.exitVector);
    assertEquals(rip, s.rip);
    assertEquals(status, s.exitDebugStatus);
  }

  @Test
  void theTrapFlagTrapsAfterEveryInstruction() {
    machine.code(CODE, 0x90, 0x48, 0x89, 0x03, 0xEB, 0x00, 0x90);
    s.rflags |= CpuState.TF;
    expectDebug(CODE + 1, BS);
    expectDebug(CODE + 4, BS);
    expectDebug(CODE + 6, BS);
    assertEquals(3, s.retired);
  }

  @Test
  void aFusedComparisonAndJumpAreTwoSteps() {
    machine.code(
        CODE, 0x48, 0x39, 0xC0, 0x74, 0x02, 0x0F, 0x0B, 0x90); // cmp rax, rax; je +2; ud2; nop
    s.rflags |= CpuState.TF;
    expectDebug(CODE + 3, BS);
    expectDebug(CODE + 7, BS);
    s.rflags &= ~CpuState.TF;
    s.rip = CODE;
    machine.code(CODE + 7, 0x0F, 0x05);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(2 + 3, s.retired);
  }

  @Test
  void popfThatSetsTheTrapFlagTrapsOneInstructionLater() {
    machine.set(machine.machineAddress(DATA + 0x800), CpuState.TF);
    machine.code(CODE, 0x9D, 0x90, 0x90);
    expectDebug(CODE + 2, BS);
  }

  @Test
  void aRepeatedInstructionIsSteppedByIteration() {
    machine.code(CODE, 0xF3, 0xAA, 0x90);
    s.gpr[CpuState.RDI] = DATA;
    s.gpr[CpuState.RCX] = 2;
    s.rflags |= CpuState.TF;
    expectDebug(CODE, BS);
    assertEquals(1, s.gpr[CpuState.RCX]);
    expectDebug(CODE + 2, BS);
    assertEquals(0, s.gpr[CpuState.RCX]);
  }

  @Test
  void anInstructionBreakpointIsAFaultThatTheResumeFlagPasses() {
    machine.code(CODE, 0x90, 0x90, 0x90, 0x0F, 0x05);
    s.dr[1] = CODE + 2;
    s.dr[7] = 1 << 2;
    expectDebug(CODE + 2, 2);
    s.rflags |= CpuState.RF;
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(0, s.rflags & CpuState.RF);
  }

  @Test
  void dataBreakpointsTrapAfterTheAccess() {
    machine.code(CODE, 0x8B, 0x03, 0x89, 0x03, 0x90, 0x0F, 0x05); // mov eax, [rbx]; mov [rbx], eax
    s.dr[0] = DATA + 2;
    s.dr[7] = 1 | 1 << 16; // one byte, writes
    expectDebug(CODE + 4, 1);
    s.rip = CODE;
    s.dr[7] = 1 | 3 << 16; // reads and writes
    expectDebug(CODE + 2, 1);
    s.dr[7] = 0x400;
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
  }

  @Test
  void movToSsHoldsADebugTrapOff() {
    vcpu.descriptors.put(0x2B, 0x00CFF3000000FFFFL);
    s.gpr[CpuState.RAX] = 0x2B;
    machine.code(CODE, 0x8E, 0xD0, 0x90, 0x90);
    s.rflags |= CpuState.TF;
    expectDebug(CODE + 3, BS);
  }

  @Test
  void aSyscallUnderAPendingDataBreakpointStillExits() {
    vcpu.descriptors.put(0x2B, 0x00CFF3000000FFFFL);
    machine.set(machine.machineAddress(DATA), 0x2B);
    s.dr[0] = DATA;
    s.dr[7] = 1 | 3 << 16;
    machine.code(CODE, 0x8E, 0x13, 0x0F, 0x05); // mov ss, [rbx]; syscall
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(CODE + 4, s.rip);
  }
}
