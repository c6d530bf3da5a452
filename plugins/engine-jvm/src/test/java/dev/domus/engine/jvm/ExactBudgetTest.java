package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What deterministic machines need: a run ends at the very instruction, wherever it is cut. */
class ExactBudgetTest {
  private static final long CODE = 0x10000, DATA = 0x20000;

  /**
   * A loop that counts in RAX, copies 37 bytes with REP MOVSB, fills 24 quadwords with REP STOSQ,
   * reads the time-stamp counter into the hash in RBX, and goes round again.
   */
  private static final int[] LOOP = {
    0x48,
    0xFF,
    0xC5, // inc rbp
    0xBE,
    0x00,
    0x00,
    0x02,
    0x00, // mov esi, DATA
    0xBF,
    0x00,
    0x08,
    0x02,
    0x00, // mov edi, DATA + 0x800
    0xB9,
    0x25,
    0x00,
    0x00,
    0x00, // mov ecx, 37
    0xF3,
    0xA4, // rep movsb
    0xBF,
    0x00,
    0x01,
    0x02,
    0x00, // mov edi, DATA + 0x100
    0xB9,
    0x18,
    0x00,
    0x00,
    0x00, // mov ecx, 24
    0x89,
    0xE8, // mov eax, ebp
    0xF3,
    0x48,
    0xAB, // rep stosq
    0x0F,
    0x31, // rdtsc
    0x48,
    0xC1,
    0xE2,
    0x20, // shl rdx, 32
    0x48,
    0x09,
    0xD0, // or rax, rdx
    0x48,
    0x6B,
    0xDB,
    0x1F, // imul rbx, rbx, 31
    0x48,
    0x01,
    0xC3, // add rbx, rax
    0x48,
    0x39,
    0xEB, // cmp rbx, rbp
    0x75,
    0x00, // jne to the next instruction: a fused jump
    0xEB,
    0x100 - 58 // jmp to the beginning
  };

  private static TestVcpu vcpu() {
    TestMachine machine = new TestMachine(64);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.map(DATA, 1, TestMachine.WRITABLE);
    machine.code(CODE, LOOP);
    TestVcpu vcpu = machine.vcpu();
    vcpu.state.rip = CODE;
    return vcpu;
  }

  @Test
  void aBudgetIsNeverOverrun() {
    TestVcpu vcpu = vcpu();
    long total = 0;
    for (long budget = 1; budget < 400; budget++) {
      assertEquals(Exit.BUDGET, vcpu.engine.runExactly(budget));
      total += budget;
      assertEquals(total, vcpu.state.retired);
    }
  }

  @Test
  void whereARunIsCutMakesNoDifference() {
    long instructions = 100_000;
    TestVcpu whole = vcpu();
    whole.engine.runExactly(instructions);
    Random random = new Random(1);
    for (int most : new int[] {2, 60, 5_000}) {
      TestVcpu cut = vcpu();
      while (cut.state.retired < instructions) {
        long left = instructions - cut.state.retired;
        cut.engine.runExactly(Math.min(left, 1 + random.nextInt(most)));
      }
      assertEquals(whole.state.rip, cut.state.rip, "most=" + most);
      assertArrayEquals(whole.state.gpr, cut.state.gpr, "most=" + most);
      assertEquals(whole.state.rflags, cut.state.rflags, "most=" + most);
    }
  }

  @Test
  void theCounterIsReadAtTheInstructionThatReadsIt() {
    TestMachine machine = new TestMachine(64);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.code(CODE, 0x90, 0x90, 0x90, 0x0F, 0x31, 0x90, 0x0F, 0x05);
    for (int stepped = 0; stepped < 2; stepped++) {
      TestVcpu vcpu = machine.vcpu();
      vcpu.state.rip = CODE;
      if (stepped == 1) {
        for (int i = 0; i < 3; i++) {
          vcpu.engine.runExactly(1);
        }
      }
      assertEquals(Exit.SYSCALL, vcpu.engine.runExactly(100));
      assertEquals(3, vcpu.retiredAtTsc);
      assertEquals(6, vcpu.state.retired);
      assertEquals(CODE + 8, vcpu.state.gpr[CpuState.RCX]);
    }
  }
}
