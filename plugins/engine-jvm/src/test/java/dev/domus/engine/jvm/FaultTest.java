package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Which exception an instruction raises, with which error code and address, and that it changes
 * nothing else.
 */
class FaultTest {
  private static final long CODE = 0x10000,
      DATA = 0x20000,
      READ_ONLY = 0x30000,
      UNMAPPED = 0x40000,
      STACK = 0x50000;
  private static final long NON_CANONICAL = 0x0000800000000000L;
  private static final int UD = 6, NM = 7, NP = 11, SS = 12, GP = 13, PF = 14, AC = 17;
  private TestMachine machine;
  private TestVcpu vcpu;
  private CpuState s;

  @BeforeEach
  void makeMachine() {
    machine = new TestMachine(64);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.map(DATA, 2, TestMachine.WRITABLE);
    machine.map(READ_ONLY, 1, TestMachine.READ_ONLY);
    machine.map(STACK, 1, TestMachine.WRITABLE);
    vcpu = machine.vcpu();
    s = vcpu.state;
    s.rip = CODE;
    s.gpr[CpuState.RSP] = STACK + 0x800;
  }

  private void expect(int vector, int errorCode, int... code) {
    machine.code(CODE, code);
    long[] before = s.gpr.clone();
    long flags = s.rflags;
    long retired = s.retired;
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1));
    assertEquals(vector, s.exitVector, "vector");
    assertEquals(errorCode, s.exitErrorCode, "error code");
    assertEquals(CODE, s.rip, "rip");
    assertEquals(flags, s.rflags, "rflags");
    for (int n = 0; n < 16; n++) {
      assertEquals(before[n], s.gpr[n], "register " + n);
    }
    assertEquals(retired, s.retired);
  }

  private void expectPageFault(long address, int errorCode, int... code) {
    expect(PF, errorCode, code);
    assertEquals(address, s.exitAddress, "cr2");
  }

  @Test
  void readsAndWritesOfMissingPages() {
    s.gpr[CpuState.RBX] = UNMAPPED + 8;
    expectPageFault(UNMAPPED + 8, 4, 0x48, 0x8B, 0x03); // mov rax, [rbx]
    expectPageFault(UNMAPPED + 8, 6, 0x48, 0x89, 0x03); // mov [rbx], rax
    expectPageFault(UNMAPPED + 8, 6, 0x48, 0x01, 0x03); // add [rbx], rax
    expectPageFault(UNMAPPED + 8, 6, 0xF0, 0x48, 0x0F, 0xB1, 0x0B); // lock cmpxchg [rbx], rcx
    expectPageFault(UNMAPPED + 8, 4, 0xFF, 0x23); // jmp [rbx]
    expectPageFault(UNMAPPED + 8, 6, 0x0F, 0xAE, 0x1B); // stmxcsr [rbx]
  }

  @Test
  void cpuidFaultsIfTheKernelSaysSo() {
    s.cpuidFaults = true;
    expect(GP, 0, 0x0F, 0xA2);
    s.cpuidFaults = false;
    assertEquals(Exit.BUDGET, vcpu.engine.run(1));
  }

  @Test
  void writesToReadOnlyPages() {
    s.gpr[CpuState.RBX] = READ_ONLY;
    expectPageFault(READ_ONLY, 7, 0x88, 0x03); // mov [rbx], al
    expectPageFault(READ_ONLY, 7, 0xFF, 0x03); // inc dword [rbx]
    expectPageFault(READ_ONLY, 7, 0x0F, 0xC0, 0x03); // xadd [rbx], al
    expectPageFault(READ_ONLY, 7, 0x8F, 0x03); // pop [rbx]
  }

  @Test
  void anAccessAcrossPagesFaultsAtThePageThatIsNotThere() {
    s.gpr[CpuState.RBX] = UNMAPPED - 0x1000 - 3;
    machine.mapFrame(machine.cr3, UNMAPPED - 0x2000, machine.frame(), TestMachine.WRITABLE);
    expectPageFault(UNMAPPED - 0x1000, 6, 0x48, 0x89, 0x03);
    expectPageFault(UNMAPPED - 0x1000, 4, 0x48, 0x8B, 0x03);
    assertEquals(0, machine.readLong(UNMAPPED - 0x1000 - 8), "the first page was not written");
  }

  @Test
  void pushesAndCallsThatFaultLeaveTheStackPointer() {
    s.gpr[CpuState.RSP] = UNMAPPED;
    expectPageFault(UNMAPPED - 8, 6, 0x50); // push rax
    expectPageFault(UNMAPPED - 8, 6, 0xE8, 0, 0, 0, 0); // call
    expectPageFault(UNMAPPED, 4, 0xC3); // ret
    expectPageFault(UNMAPPED, 4, 0x58); // pop rax
    expectPageFault(UNMAPPED, 4, 0x48, 0xCF); // iretq
  }

  @Test
  void nonCanonicalOperandsAreStackFaultsOnlyByRspAndRbp() {
    s.gpr[CpuState.RBX] = NON_CANONICAL;
    s.gpr[CpuState.RBP] = NON_CANONICAL;
    expect(GP, 0, 0x48, 0x8B, 0x03); // mov rax, [rbx]
    expect(SS, 0, 0x48, 0x8B, 0x45, 0x00); // mov rax, [rbp]
    expect(SS, 0, 0x3E, 0x48, 0x8B, 0x45, 0x00); // mov rax, ds:[rbp]: the override is ignored
    expect(GP, 0, 0x36, 0x48, 0x8B, 0x03); // mov rax, ss:[rbx]: likewise
    expect(GP, 0, 0x64, 0x48, 0x8B, 0x45, 0x00); // mov rax, fs:[rbp]
    s.gpr[CpuState.RSP] = NON_CANONICAL + 0x100;
    expect(SS, 0, 0x50); // push rax
    expect(SS, 0, 0xC3); // ret
    expect(SS, 0, 0x48, 0x8B, 0x04, 0x24); // mov rax, [rsp]
  }

  @Test
  void branchesToNonCanonicalTargetsFaultAtTheBranch() {
    s.gpr[CpuState.RAX] = NON_CANONICAL;
    expect(GP, 0, 0xFF, 0xE0); // jmp rax
    expect(GP, 0, 0xFF, 0xD0); // call rax
    machine.set(machine.machineAddress(STACK + 0x800), NON_CANONICAL);
    expect(GP, 0, 0xC3); // ret
  }

  @Test
  void privilegedInstructions() {
    int[][] instructions = {
      {0xF4},
      {0xFA},
      {0xFB},
      {0xE4, 0x60},
      {0xEF},
      {0x6C},
      {0x0F, 0x06},
      {0x0F, 0x08},
      {0x0F, 0x09},
      {0x0F, 0x07},
      {0x0F, 0x30},
      {0x0F, 0x32},
      {0x0F, 0x33},
      {0x0F, 0x20, 0xC0},
      {0x0F, 0x22, 0xD8},
      {0x0F, 0x21, 0xC0},
      {0x0F, 0x01, 0xF8},
      {0x0F, 0x01, 0x13},
      {0x0F, 0x01, 0x3B},
      {0x0F, 0x00, 0xD0}
    };
    for (int[] instruction : instructions) {
      expect(GP, 0, instruction);
    }
  }

  @Test
  void undefinedInstructions() {
    int[][] instructions = {
      {0x06},
      {0x0F, 0x0B},
      {0x0F, 0xB9, 0xC0},
      {0x0F, 0xFF, 0xC0},
      {0xEA},
      {0xCE},
      {0x0F, 0x34},
      {0x0F, 0x35},
      {0x0F, 0x20, 0xC8},
      {0x8E, 0xC8},
      {0xF0, 0x01, 0xC0},
      {0xF0, 0x8B, 0x03},
      {0xF0, 0x39, 0x03},
      {0x0F, 0x01, 0xD0},
      {0xF3, 0x48, 0x0F, 0xAE, 0xC0},
      {0x8D, 0xC0},
      {0xC6, 0xC8},
      {0x0F, 0x01, 0xCA},
      {0x62, 0xF1},
      {0x82, 0xC0},
      {0xFF, 0xF8},
      {0x0F, 0xAE, 0x23}
    };
    for (int[] instruction : instructions) {
      expect(UD, 0, instruction);
    }
  }

  @Test
  void whatWasUndefinedCanBeNamed() {
    machine.code(CODE, 0x66, 0x0F, 0x38, 0x17, 0xC1, 0x90); // ptest: SSE4.1
    assertEquals("66 0f 38 17 c1 (undefined: opcode 0f 38 17)", vcpu.engine.instructionAt(CODE));
    assertEquals("90", vcpu.engine.instructionAt(CODE + 5));
    assertEquals("unreadable", vcpu.engine.instructionAt(UNMAPPED));
    machine.code(CODE + 0xFFE, 0x0F, 0x38);
    assertEquals(
        "0f 38 (goes on where nothing can be read)", vcpu.engine.instructionAt(CODE + 0xFFE));
  }

  @Test
  void softwareInterrupts() {
    expect(GP, 0x80 << 3 | 2, 0xCD, 0x80);
    expect(GP, 14 << 3 | 2, 0xCD, 0x0E);
    machine.code(CODE, 0xCC);
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1));
    assertEquals(3, s.exitVector);
    assertEquals(CODE + 1, s.rip);
    s.rip = CODE;
    machine.code(CODE, 0xCD, 0x03);
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1));
    assertEquals(3, s.exitVector);
    assertEquals(CODE + 2, s.rip);
    s.rip = CODE;
    machine.code(CODE, 0xF1);
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1));
    assertEquals(1, s.exitVector);
    assertEquals(CODE + 1, s.rip);
  }

  @Test
  void moreThanFifteenBytes() {
    expect(
        GP, 0, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
        0x66, 0x90);
  }

  @Test
  void taskSwitchedMakesFloatingPointUnavailable() {
    s.cr0 |= CpuState.CR0_TS;
    expect(NM, 0, 0x0F, 0x28, 0xC1); // movaps
    expect(NM, 0, 0xD9, 0xE8); // fld1
    expect(NM, 0, 0x0F, 0xAE, 0x03); // fxsave
    expect(NM, 0, 0x9B); // fwait
  }

  @Test
  void misalignedSseOperands() {
    s.gpr[CpuState.RBX] = DATA + 8;
    expect(GP, 0, 0x0F, 0x28, 0x03); // movaps xmm0, [rbx]
    expect(GP, 0, 0x66, 0x0F, 0xEF, 0x03); // pxor
    expect(GP, 0, 0x0F, 0xAE, 0x03); // fxsave
  }

  @Test
  void alignmentIsCheckedIfAsked() {
    s.rflags |= CpuState.AC;
    s.gpr[CpuState.RBX] = DATA + 1;
    expect(AC, 0, 0x8B, 0x03);
    expect(AC, 0, 0x66, 0x89, 0x03);
    machine.code(CODE, 0x8A, 0x03, 0x0F, 0x05); // a byte is always aligned
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
  }

  @Test
  void segmentLoads() {
    s.gpr[CpuState.RAX] = 0x33;
    expect(GP, 0x30, 0x8E, 0xD8); // mov ds, eax: no such descriptor
    s.gpr[CpuState.RAX] = 0;
    expect(GP, 0, 0x8E, 0xD0); // mov ss, 0
    vcpu.descriptors.put(0x2B, 0x00CF73000000FFFFL); // not present
    s.gpr[CpuState.RAX] = 0x2B;
    expect(NP, 0x28, 0x8E, 0xC0); // mov es
    expect(SS, 0x28, 0x8E, 0xD0); // mov ss
    vcpu.descriptors.put(0x2B, 0x12CFF3345678FFFFL);
    machine.code(CODE, 0x8E, 0xE0, 0x0F, 0x05); // mov fs
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(0x12345678, s.fsBase);
    assertEquals(0x2B, s.fs);
  }

  @Test
  void farReturnsAndIret() {
    long rsp = s.gpr[CpuState.RSP];
    long at = machine.machineAddress(rsp);
    machine.set(at, CODE + 0x100);
    machine.set(at + 8, 0xE033);
    machine.code(CODE, 0x48, 0xCB); // lretq
    assertEquals(Exit.BUDGET, vcpu.engine.run(1));
    assertEquals(CODE + 0x100, s.rip);
    assertEquals(rsp + 16, s.gpr[CpuState.RSP]);
    s.rip = CODE;
    s.gpr[CpuState.RSP] = rsp;
    machine.set(at + 8, 0xE030);
    expect(GP, 0xE030, 0x48, 0xCB); // RPL 0
    machine.set(at + 8, 0xE033);
    machine.set(at + 16, CpuState.CF | CpuState.DF | CpuState.IOPL);
    machine.set(at + 24, STACK + 0x10);
    machine.set(at + 32, 0xE02B);
    machine.code(CODE, 0x48, 0xCF); // iretq
    assertEquals(Exit.BUDGET, vcpu.engine.run(1));
    assertEquals(CODE + 0x100, s.rip);
    assertEquals(STACK + 0x10, s.gpr[CpuState.RSP]);
    assertEquals(CpuState.RFLAGS_ALWAYS | CpuState.CF | CpuState.DF, s.rflags);
  }

  @Test
  void popfLeavesIfAndIopl() {
    machine.set(machine.machineAddress(s.gpr[CpuState.RSP]), 0xFFFFFFFFFFFFFEFFL);
    machine.code(CODE, 0x9D);
    assertEquals(Exit.BUDGET, vcpu.engine.run(1));
    assertEquals(
        0x8D5 | CpuState.DF | CpuState.NT | CpuState.AC | CpuState.ID | CpuState.RFLAGS_ALWAYS,
        s.rflags);
  }

  @Test
  void segmentBasesNeedTheirBitAndCanonicalValues() {
    s.cr4 |= CpuState.CR4_FSGSBASE;
    s.gpr[CpuState.RAX] = NON_CANONICAL;
    expect(GP, 0, 0xF3, 0x48, 0x0F, 0xAE, 0xD0); // wrfsbase rax
    s.gpr[CpuState.RAX] = DATA;
    machine.code(
        CODE, 0xF3, 0x48, 0x0F, 0xAE, 0xD0, 0x64, 0x48, 0x8B, 0x1C, 0x25, 0x10, 0, 0, 0, 0x0F,
        0x05); // mov rbx, fs:[0x10]
    machine.set(machine.machineAddress(DATA + 0x10), 0x1234);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(0x1234, s.gpr[CpuState.RBX]);
    assertEquals(DATA, s.fsBase);
  }

  @Test
  void timeStampCounterCanBeForbidden() {
    s.cr4 |= CpuState.CR4_TSD;
    expect(GP, 0, 0x0F, 0x31);
    expect(GP, 0, 0x0F, 0x01, 0xF9);
  }

  @Test
  void aRepeatedStoreStopsAtTheFaultingElement() {
    machine.code(CODE, 0xF3, 0xAA, 0x0F, 0x05); // rep stosb
    s.gpr[CpuState.RDI] = DATA + 0x2000 - 5;
    s.gpr[CpuState.RCX] = 10;
    s.gpr[CpuState.RAX] = 0x41;
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1000));
    assertEquals(PF, s.exitVector);
    assertEquals(DATA + 0x2000, s.exitAddress);
    assertEquals(CODE, s.rip);
    assertEquals(5, s.gpr[CpuState.RCX]);
    assertEquals(DATA + 0x2000, s.gpr[CpuState.RDI]);
    machine.map(DATA + 0x2000, 1, TestMachine.WRITABLE);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(DATA + 0x2005, s.gpr[CpuState.RDI]);
    assertEquals(0x41, machine.read(DATA + 0x2004, 1)[0]);
  }

  @Test
  void aRepeatedInstructionPausesWhenTheBudgetIsSpent() {
    machine.code(CODE, 0xF3, 0x48, 0xAB, 0x0F, 0x05); // rep stosq
    s.gpr[CpuState.RDI] = DATA;
    s.gpr[CpuState.RCX] = 600;
    s.gpr[CpuState.RAX] = 0x0102030405060708L;
    assertEquals(Exit.BUDGET, vcpu.engine.run(100));
    assertEquals(CODE, s.rip);
    assertEquals(500, s.gpr[CpuState.RCX]);
    assertEquals(100, s.retired);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(10_000));
    assertEquals(DATA + 4800, s.gpr[CpuState.RDI]);
    assertEquals(601, s.retired);
    assertEquals(0x0102030405060708L, machine.readLong(DATA + 4792));
  }
}
