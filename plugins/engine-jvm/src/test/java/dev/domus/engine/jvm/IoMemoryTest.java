package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.memory.paging.Pte;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Accesses to frames beyond RAM: each arrives at the device once, or is a page fault. */
class IoMemoryTest {
  private static final long CODE = 0x10000, IO = 0x20000, RAM = 0x21000, STACK = 0x30000;
  private static final long FRAME = 0x1000; // far beyond the machine's 64
  private static final int PF = 14;

  private TestMachine machine;
  private TestVcpu vcpu;
  private CpuState s;

  @BeforeEach
  void makeMachine() {
    machine = new TestMachine(64);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.map(RAM, 1, TestMachine.WRITABLE);
    machine.map(STACK, 1, TestMachine.WRITABLE);
    machine.mapFrame(machine.cr3, IO, FRAME, TestMachine.WRITABLE | Pte.PCD);
    vcpu = machine.vcpu();
    vcpu.io.reachable = true;
    vcpu.io.value = 0x1122334455667788L;
    s = vcpu.state;
    s.gpr[CpuState.RSP] = STACK + 0x800;
    s.gpr[CpuState.RBX] = IO;
  }

  private void run(int instructions, int... code) {
    machine.code(CODE, code);
    machine.code(CODE + code.length, 0xEB, 0xFE); // a straight run of code may overrun the budget
    s.rip = CODE;
    assertEquals(Exit.BUDGET, vcpu.engine.run(instructions));
  }

  private void log(String... expected) {
    assertEquals(List.of(expected), vcpu.io.log);
    vcpu.io.log.clear();
  }

  private void faults(long address, int errorCode, int... code) {
    machine.code(CODE, code);
    s.rip = CODE;
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1));
    assertEquals(PF, s.exitVector);
    assertEquals(errorCode, s.exitErrorCode);
    assertEquals(address, s.exitAddress);
    log();
  }

  @Test
  void loadsAndStoresOfEverySize() {
    run(1, 0x48, 0x8B, 0x43, 0x08); // mov rax, [rbx+8]
    assertEquals(0x1122334455667788L, s.gpr[CpuState.RAX]);
    log("load 1000008 8");
    run(1, 0x0F, 0xB6, 0x03); // movzx eax, byte [rbx]
    assertEquals(0x88, s.gpr[CpuState.RAX]);
    log("load 1000000 1");
    run(1, 0x8B, 0x43, 0x04); // mov eax, [rbx+4]
    log("load 1000004 4");
    run(1, 0x66, 0x89, 0x43, 0x02); // mov [rbx+2], ax
    log("store 1000002 2 7788");
    run(1, 0x48, 0x89, 0x03); // mov [rbx], rax
    log("store 1000000 8 55667788");
    run(1, 0x01, 0x03); // add [rbx], eax
    log("load 1000000 4", "store 1000000 4 aaccef10");
    run(1, 0x50); // push rax: RAM is as ever
    log();
  }

  @Test
  void theSameInstructionGoesToTheDeviceEachTime() {
    s.gpr[CpuState.RCX] = 5;
    run(10, 0x8B, 0x03, 0xE2, 0xFC); // l: mov eax, [rbx]; loop l
    log("load 1000000 4", "load 1000000 4", "load 1000000 4", "load 1000000 4", "load 1000000 4");
  }

  @Test
  void whatCannotBeReachedIsAPageFaultAsIfNothingWereMapped() {
    run(1, 0x8B, 0x03);
    log("load 1000000 4");
    vcpu.io.reachable = false; // and nothing is flushed
    faults(IO, 4, 0x8B, 0x03); // mov eax, [rbx]
    faults(IO, 6, 0x89, 0x03); // mov [rbx], eax
    faults(IO, 6, 0xF0, 0x01, 0x03); // lock add [rbx], eax
  }

  @Test
  void aReadOnlyMappingIsReadOnly() {
    machine.mapFrame(machine.cr3, IO, FRAME, TestMachine.READ_ONLY);
    run(1, 0x8B, 0x03);
    log("load 1000000 4");
    faults(IO, 7, 0x89, 0x03);
    faults(IO, 7, 0x01, 0x03);
  }

  @Test
  void instructionsAreNotFetchedFromADevice() {
    s.rip = IO + 0x10;
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1));
    assertEquals(PF, s.exitVector);
    assertEquals(0x15, s.exitErrorCode);
    assertEquals(IO + 0x10, s.exitAddress);
    log();
    machine.mapFrame(machine.cr3, CODE + 0x1000, FRAME, TestMachine.WRITABLE);
    machine.code(CODE + 0xFFE, 0x8B, 0x43); // an instruction that goes on in it
    s.rip = CODE + 0xFFE;
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(1));
    assertEquals(CODE + 0x1000, s.exitAddress);
    log();
  }

  @Test
  void anAccessAcrossPagesIsMadeByteByByte() {
    s.gpr[CpuState.RBX] = RAM - 2;
    s.gpr[CpuState.RAX] = 0x44332211;
    run(1, 0x89, 0x03); // mov [rbx], eax
    log("store 1000ffe 1 11", "store 1000fff 1 22");
    assertEquals(0x4433, machine.readLong(RAM) & 0xFFFF);
    run(1, 0x8B, 0x03); // mov eax, [rbx]
    log("load 1000ffe 1", "load 1000fff 1");
    assertEquals(0x44338888L, s.gpr[CpuState.RAX]);
    machine.mapFrame(machine.cr3, RAM, 5, TestMachine.READ_ONLY);
    vcpu.engine.invalidate(Invalidation.ALL);
    faults(RAM, 7, 0x89, 0x03); // the device has seen nothing
  }

  @Test
  void lockedOperationsAreALoadAndAStore() {
    vcpu.io.value = 0x10;
    s.gpr[CpuState.RAX] = 1;
    run(1, 0xF0, 0x0F, 0xC1, 0x03); // lock xadd [rbx], eax
    log("load 1000000 4", "store 1000000 4 11");
    assertEquals(0x10, s.gpr[CpuState.RAX]);
    s.gpr[CpuState.RAX] = 0x77;
    run(1, 0x87, 0x03); // xchg [rbx], eax
    log("load 1000000 4", "store 1000000 4 77");
    assertEquals(0x10, s.gpr[CpuState.RAX]);
    s.gpr[CpuState.RCX] = 0x99;
    run(1, 0xF0, 0x0F, 0xB1, 0x0B); // lock cmpxchg [rbx], ecx
    log("load 1000000 4", "store 1000000 4 99");
    s.gpr[CpuState.RDX] = 0;
    s.gpr[CpuState.RAX] = 0x10;
    run(1, 0xF0, 0x0F, 0xC7, 0x0B); // lock cmpxchg8b [rbx]
    log("load 1000000 8", "store 1000000 8 9900020000"); // ECX and EBX
  }

  @Test
  void stringsGoElementByElement() {
    s.gpr[CpuState.RSI] = IO;
    s.gpr[CpuState.RDI] = RAM;
    s.gpr[CpuState.RCX] = 64;
    run(65, 0xF3, 0x48, 0xA5); // rep movsq
    assertEquals(64, vcpu.io.log.size());
    assertEquals("load 1000000 8", vcpu.io.log.getFirst());
    assertEquals("load 10001f8 8", vcpu.io.log.getLast());
    assertEquals(0x1122334455667788L, machine.readLong(RAM + 8 * 63));
    vcpu.io.log.clear();
    s.gpr[CpuState.RDI] = IO;
    s.gpr[CpuState.RCX] = 64;
    s.gpr[CpuState.RAX] = 0;
    run(65, 0xF3, 0xAA); // rep stosb
    assertEquals(64, vcpu.io.log.size());
    assertEquals("store 100003f 1 0", vcpu.io.log.getLast());
  }

  @Test
  void nothingIsReadOrWrittenOnTrial() {
    long page = machine.frame();
    machine.code(CODE, 0x48, 0x8B, 0x03); // mov rax, [rbx]
    s.rip = CODE;
    assertEquals(Exit.EXCEPTION, vcpu.engine.stepOver(RAM, page));
    assertEquals(PF, s.exitVector);
    assertEquals(IO, s.exitAddress);
    log();
  }

  @Test
  void aPairIsComparedAndStoredInTwoHalves() {
    vcpu.io.value = 5;
    s.gpr[CpuState.RAX] = 5;
    s.gpr[CpuState.RDX] = 5;
    s.gpr[CpuState.RCX] = 2;
    s.gpr[CpuState.RBX] = 1;
    s.gpr[CpuState.RSI] = IO;
    run(1, 0xF0, 0x48, 0x0F, 0xC7, 0x0E); // lock cmpxchg16b [rsi]
    log("load 1000000 8", "load 1000008 8", "store 1000000 8 1", "store 1000008 8 2");
    assertEquals(CpuState.ZF, s.rflags & CpuState.ZF);
  }
}
