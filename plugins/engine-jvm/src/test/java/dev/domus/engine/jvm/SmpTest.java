package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two vCPUs on two threads: atomicity of locked operations and x86's order of stores and loads. */
class SmpTest {
  private static final long CODE = 0x10000, DATA = 0x20000;
  private TestMachine machine;

  @BeforeEach
  void makeMachine() {
    machine = new TestMachine(64);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.map(DATA, 2, TestMachine.WRITABLE);
  }

  private void race(TestVcpu... vcpus) throws InterruptedException {
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread[] threads = new Thread[vcpus.length];
    for (int n = 0; n < threads.length; n++) {
      TestVcpu vcpu = vcpus[n];
      threads[n] =
          new Thread(() -> {
            try {
              assertEquals(Exit.SYSCALL, vcpu.run());
            } catch (Throwable t) {
              failure.set(t);
            }
          });
    }
    for (Thread thread : threads) {
      thread.start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertNull(failure.get());
  }

  private void countTogether(long counter, int... increment) throws InterruptedException {
    int[] code = new int[5 + increment.length + 6];
    int[] head = {0xB9, 0x40, 0x0D, 3, 0}; // mov ecx, 200000
    System.arraycopy(head, 0, code, 0, 5);
    System.arraycopy(increment, 0, code, 5, increment.length);
    int[] tail = {
      0xFF, 0xC9, 0x75, -(increment.length + 4) & 0xFF, 0x0F, 0x05
    }; // dec ecx; jnz; syscall
    System.arraycopy(tail, 0, code, 5 + increment.length, 6);
    machine.code(CODE, code);
    TestVcpu[] vcpus = {machine.vcpu(), machine.vcpu()};
    for (TestVcpu vcpu : vcpus) {
      vcpu.state.rip = CODE;
      vcpu.state.gpr[CpuState.RBX] = counter;
      vcpu.state.gpr[CpuState.RDX] = 1;
    }
    race(vcpus);
  }

  @Test
  void lockedIncrementsAreNotLost() throws InterruptedException {
    countTogether(DATA, 0xF0, 0xFF, 0x03); // lock inc dword [rbx]
    assertEquals(400_000, machine.readLong(DATA));
    countTogether(DATA + 8, 0xF0, 0x48, 0x83, 0x03, 0x01); // lock add qword [rbx], 1
    assertEquals(400_000, machine.readLong(DATA + 8));
    countTogether(DATA + 0x12, 0xF0, 0x66, 0xFF, 0x03); // lock inc word [rbx]
    assertEquals(400_000 & 0xFFFF, machine.readLong(DATA + 0x12));
  }

  @Test
  void misalignedLockedIncrementsAreNotLost() throws InterruptedException {
    countTogether(DATA + 1, 0xF0, 0xFF, 0x03); // inside a quadword
    assertEquals(400_000, machine.readLong(DATA + 1));
    countTogether(DATA + 0x106, 0xF0, 0xFF, 0x03); // across quadwords
    assertEquals(400_000, machine.readLong(DATA + 0x106));
    countTogether(DATA + 0xFFE, 0xF0, 0xFF, 0x03); // across pages
    assertEquals(400_000, machine.readLong(DATA + 0xFFE));
  }

  @Test
  void storesAreSeenInOrder() throws InterruptedException {
    // writer: L: inc rax; mov [rbx], rax; mov [rbx + 0x40], rax; cmp rax, rcx; jne L; syscall
    machine.code(
        CODE, 0x48, 0xFF, 0xC0, 0x48, 0x89, 0x03, 0x48, 0x89, 0x43, 0x40, 0x48, 0x39, 0xC8, 0x75,
        0xF1, 0x0F, 0x05);
    // reader: L: mov rdx, [rbx + 0x40]; mov rax, [rbx]; cmp rax, rdx; jb bad; cmp rdx, rcx; jne L;
    // syscall; bad: ud2
    machine.code(
        CODE + 0x100,
        0x48,
        0x8B,
        0x53,
        0x40,
        0x48,
        0x8B,
        0x03,
        0x48,
        0x39,
        0xD0,
        0x72,
        0x07,
        0x48,
        0x39,
        0xCA,
        0x75,
        0xEF,
        0x0F,
        0x05,
        0x0F,
        0x0B);
    TestVcpu writer = machine.vcpu();
    TestVcpu reader = machine.vcpu();
    writer.state.rip = CODE;
    reader.state.rip = CODE + 0x100;
    for (TestVcpu vcpu : new TestVcpu[] {writer, reader}) {
      vcpu.state.gpr[CpuState.RBX] = DATA;
      vcpu.state.gpr[CpuState.RCX] = 3_000_000;
    }
    race(writer, reader);
  }

  @Test
  void exchangeMakesALock() throws InterruptedException {
    // L: mov eax, 1; xchg [rbx], eax; test eax, eax; jnz pause; inc qword [rbx + 8]; mov dword
    // [rbx], 0; dec ecx; jnz L; syscall
    // pause: pause; jmp L
    machine.code(
        CODE, 0xB8, 1, 0, 0, 0, 0x87, 0x03, 0x85, 0xC0, 0x75, 0x10, 0x48, 0xFF, 0x43, 0x08, 0xC7,
        0x03, 0, 0, 0, 0, 0xFF, 0xC9, 0x75, 0xE7, 0x0F, 0x05, 0xF3, 0x90, 0xEB, 0xE1);
    TestVcpu[] vcpus = {machine.vcpu(), machine.vcpu()};
    for (TestVcpu vcpu : vcpus) {
      vcpu.state.rip = CODE;
      vcpu.state.gpr[CpuState.RBX] = DATA;
      vcpu.state.gpr[CpuState.RCX] = 100_000;
    }
    race(vcpus);
    assertEquals(200_000, machine.readLong(DATA + 8));
  }
}
