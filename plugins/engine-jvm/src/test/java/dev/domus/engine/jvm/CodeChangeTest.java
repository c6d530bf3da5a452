package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.memory.paging.Pte;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Code that changes under the engine, and translations that do. */
class CodeChangeTest {
  private static final long CODE = 0x10000, DATA = 0x20000;
  private TestMachine machine;
  private TestVcpu vcpu;
  private CpuState s;

  @BeforeEach
  void makeMachine() {
    machine = new TestMachine(128);
    machine.map(CODE, 3, TestMachine.WRITABLE);
    machine.map(DATA, 2, TestMachine.WRITABLE);
    vcpu = machine.vcpu();
    s = vcpu.state;
    s.rip = CODE;
  }

  @Test
  void aStoreIntoTheRunningBlockIsSeenByTheNextInstruction() {
    // mov byte [rip + 1], 0x42; mov al, 0x11; syscall
    machine.code(CODE, 0xC6, 0x05, 1, 0, 0, 0, 0x42, 0xB0, 0x11, 0x0F, 0x05);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(0x42, s.gpr[CpuState.RAX]);
    assertEquals(3, s.retired);
  }

  @Test
  void aLoopThatChangesItselfEachTimeIsFollowed() {
    // mov ecx, 1000; L: add byte [rip + 2], 1; (add rax, imm8); dec ecx; jnz L; syscall
    machine.code(
        CODE, 0xB9, 0xE8, 3, 0, 0, 0x80, 0x05, 3, 0, 0, 0, 1, 0x48, 0x83, 0xC0, 0, 0xFF, 0xC9, 0x75,
        0xF1, 0x0F, 0x05);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100_000));
    long sum = 0;
    for (int n = 1; n <= 1000; n++) {
      sum += (byte) n;
    }
    assertEquals(sum, s.gpr[CpuState.RAX]);
  }

  @Test
  void dataBesideCodeDoesNotDecodeItAnew() {
    // mov ecx, 100000; L: inc dword [rip + far]; dec ecx; jnz L; syscall
    machine.code(
        CODE, 0xB9, 0xA0, 0x86, 1, 0, 0xFF, 0x05, 0, 2, 0, 0, 0xFF, 0xC9, 0x75, 0xF6, 0x0F, 0x05);
    long begin = System.nanoTime();
    assertEquals(Exit.SYSCALL, vcpu.engine.run(1_000_000));
    assertEquals(100_000, machine.readLong(CODE + 0x20B) & 0xFFFFFFFFL);
    assertTrue(vcpu.watches < 200, "watched again times=" + vcpu.watches);
    assertTrue(System.nanoTime() - begin < 5_000_000_000L);
  }

  @Test
  void codeBesideDataThatWasStoredToIsReadAnew() {
    // store a "mov al, 7; syscall" to a line of the running page that was not decoded yet, then
    // jump there
    machine.code(
        CODE, 0x48, 0xB8, 0xB0, 7, 0x0F, 0x05, 0, 0, 0, 0, 0x48, 0x89, 0x05, 0xEF, 1, 0, 0, 0xE9,
        0xEA, 1, 0, 0);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    assertEquals(7, s.gpr[CpuState.RAX] & 0xFF);
    assertEquals(CODE + 0x204, s.rip);
  }

  @Test
  void aChangeByAnotherIsSeenByTheNextRun() {
    machine.code(CODE, 0xB0, 1, 0x0F, 0x05);
    vcpu.engine.run(10);
    assertEquals(1, s.gpr[CpuState.RAX]);
    machine.code(CODE, 0xB0, 2, 0x0F, 0x05);
    s.rip = CODE;
    vcpu.engine.run(10);
    assertEquals(2, s.gpr[CpuState.RAX]);
  }

  @Test
  void aChangeByAnotherVcpuThroughItsTlbIsSeen() {
    TestVcpu other = machine.vcpu();
    // the other vCPU stores al to [rbx] in an endless supply of runs
    machine.code(CODE + 0x1000, 0x88, 0x03, 0x0F, 0x05);
    machine.code(CODE, 0xB0, 1, 0x0F, 0x05);
    other.state.gpr[CpuState.RBX] = CODE + 1;
    for (int n = 1; n < 50; n++) {
      other.state.gpr[CpuState.RAX] = n;
      other.state.rip = CODE + 0x1000;
      assertEquals(Exit.SYSCALL, other.engine.run(10));
      s.rip = CODE;
      assertEquals(Exit.SYSCALL, vcpu.engine.run(10));
      assertEquals(n, s.gpr[CpuState.RAX]);
    }
  }

  @Test
  void aRepeatedStoreOverItselfTakesEffect() {
    // mov ecx, 4; lea rdi, [rip + 4]; mov al, 0x90; rep stosb (over the ud2 pairs that follow);
    // syscall
    machine.code(
        CODE, 0xB9, 4, 0, 0, 0, 0x48, 0x8D, 0x3D, 4, 0, 0, 0, 0xB0, 0x90, 0xF3, 0xAA, 0x0F, 0x0B,
        0x0F, 0x0B, 0x0F, 0x05);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
  }

  @Test
  void anInstructionAcrossPagesFollowsItsTail() {
    machine.code(
        CODE + 0xFFF, 0xB0, 1, 0x0F, 0x05); // mov al, imm8 with the immediate in the next page
    for (int n = 1; n < 5; n++) {
      machine.code(CODE + 0x1000, n);
      s.rip = CODE + 0xFFF;
      assertEquals(Exit.SYSCALL, vcpu.engine.run(10));
      assertEquals(n, s.gpr[CpuState.RAX]);
    }
  }

  @Test
  void aFlushWhileAWatchIsAnnouncedIsObeyed() {
    long other = machine.frame();
    machine.code(CODE, 0xB0, 1, 0x0F, 0x05);
    machine.set(other << 12, 0x050F02B0); // mov al, 2; syscall
    vcpu.meanwhile =
        () -> {
          machine.mapFrame(machine.cr3, CODE, other, TestMachine.WRITABLE);
          vcpu.engine.invalidate(Invalidation.ALL);
          vcpu.meanwhile = () -> {};
        };
    assertEquals(Exit.SYSCALL, vcpu.engine.run(10));
    assertEquals(2, s.gpr[CpuState.RAX]);
  }

  @Test
  void aPageInvalidatedIsTranslatedAnew() {
    machine.code(CODE, 0x48, 0x8B, 0x03, 0x0F, 0x05); // mov rax, [rbx]
    s.gpr[CpuState.RBX] = DATA;
    machine.set(machine.machineAddress(DATA), 1);
    machine.set(machine.machineAddress(DATA + 0x1000), 2);
    vcpu.engine.run(10);
    assertEquals(1, s.gpr[CpuState.RAX]);
    machine.mapFrame(
        machine.cr3, DATA, machine.machineAddress(DATA + 0x1000) >>> 12, TestMachine.WRITABLE);
    vcpu.engine.invalidate(Invalidation.page(DATA + 123));
    s.rip = CODE;
    vcpu.engine.run(10);
    assertEquals(2, s.gpr[CpuState.RAX]);
  }

  @Test
  void anotherBaseMeansOtherTranslations() {
    machine.code(CODE, 0x48, 0x8B, 0x03, 0x0F, 0x05);
    s.gpr[CpuState.RBX] = DATA;
    machine.set(machine.machineAddress(DATA), 1);
    machine.set(machine.machineAddress(DATA + 0x1000), 2);
    long otherRoot = machine.frame() << 12;
    machine.mapFrame(otherRoot, CODE, machine.machineAddress(CODE) >>> 12, TestMachine.WRITABLE);
    machine.mapFrame(
        otherRoot, DATA, machine.machineAddress(DATA + 0x1000) >>> 12, TestMachine.WRITABLE);
    for (int n = 0; n < 20; n++) {
      s.cr3 = n % 2 == 0 ? machine.cr3 : otherRoot;
      s.rip = CODE;
      vcpu.engine.run(10);
      assertEquals(n % 2 + 1, s.gpr[CpuState.RAX]);
    }
  }

  @Test
  void accessedAndDirtyBitsAreSet() {
    machine.code(CODE, 0x48, 0x8B, 0x03, 0x48, 0x89, 0x03, 0x0F, 0x05);
    s.gpr[CpuState.RBX] = DATA;
    long entry = machine.entryAddress(machine.cr3, DATA);
    vcpu.engine.run(1);
    // the block is straight: look after a read alone by a fault-free first instruction
    machine.set(entry, machine.get(entry) & ~(Pte.A | Pte.D));
    vcpu.engine.invalidate(Invalidation.ALL);
    s.rip = CODE;
    machine.code(CODE, 0x48, 0x8B, 0x03, 0x0F, 0x05);
    vcpu.engine.run(10);
    assertEquals(Pte.A, machine.get(entry) & (Pte.A | Pte.D));
    machine.code(CODE, 0x48, 0x89, 0x03, 0x0F, 0x05);
    s.rip = CODE;
    vcpu.engine.run(10);
    assertEquals(Pte.A | Pte.D, machine.get(entry) & (Pte.A | Pte.D));
  }

  @Test
  void theSameCodeAtTwoAddressesKnowsWhereItIs() {
    machine.mapFrame(
        machine.cr3, DATA + 0x10000, machine.machineAddress(CODE) >>> 12, TestMachine.WRITABLE);
    machine.code(
        CODE, 0x48, 0x8D, 0x05, 0, 0, 0, 0, 0xEB, 0, 0x0F, 0x05); // lea rax, [rip]; jmp; syscall
    vcpu.engine.run(10);
    assertEquals(CODE + 7, s.gpr[CpuState.RAX]);
    s.rip = DATA + 0x10000;
    vcpu.engine.run(10);
    assertEquals(DATA + 0x10007, s.gpr[CpuState.RAX]);
    assertEquals(DATA + 0x1000B, s.rip);
  }
}
