package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What is forgotten is what was named. Tables change under the engine and it is told of a part:
 * that part is new, and the rest is what was cached.
 */
class InvalidationTest {
  private static final long CODE = 0x10000, FAR = 0x30000, DATA = 0x100000;
  private static final int PAGES = 80;

  /** A page whose TLB entry is that of {@link #FAR}. */
  private static final long DISPLACES_FAR = (FAR >>> 12 ^ 1 | 1 << 10) << 12;

  private TestMachine machine;
  private TestVcpu vcpu;
  private CpuState s;
  private long otherRoot;

  @BeforeEach
  void makeMachine() {
    machine = new TestMachine(1024);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.map(FAR, 1, TestMachine.WRITABLE);
    machine.map(DISPLACES_FAR, 1, TestMachine.WRITABLE);
    machine.code(CODE, 0x48, 0x8B, 0x03, 0x0F, 0x05); // mov rax, [rbx]; syscall
    vcpu = machine.vcpu();
    s = vcpu.state;
    otherRoot = machine.frame() << 12;
    machine.mapFrame(otherRoot, CODE, machine.machineAddress(CODE) >>> 12, TestMachine.WRITABLE);
    mapData(1);
    for (int n = 0; n < PAGES; n++) {
      assertEquals(1, load(machine.cr3, n));
      assertEquals(1, load(otherRoot, n));
    }
    mapData(2);
  }

  /** Maps all pages of data, in both address spaces, to frames that hold a number. */
  private void mapData(long number) {
    for (int n = 0; n < PAGES; n++) {
      long mfn = machine.frame();
      machine.set(mfn << 12, number);
      machine.mapFrame(machine.cr3, page(n), mfn, TestMachine.WRITABLE);
      machine.mapFrame(otherRoot, page(n), mfn, TestMachine.WRITABLE);
    }
  }

  private static long page(int n) {
    return DATA + ((long) n << 12);
  }

  private long load(long root, int page) {
    s.cr3 = root;
    s.gpr[CpuState.RBX] = page(page);
    return run();
  }

  private long run() {
    s.rip = CODE;
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    return s.gpr[CpuState.RAX];
  }

  /** That these pages are new in an address space and all others are not. */
  private void assertNew(long root, int from, int to) {
    for (int n = 0; n < PAGES; n++) {
      assertEquals(n >= from && n < to ? 2 : 1, load(root, n), "page " + n);
    }
  }

  @Test
  void aPageIsForgottenInEveryAddressSpace() {
    vcpu.engine.invalidate(Invalidation.page(page(3) + 0xFFF));
    assertNew(machine.cr3, 3, 4);
    assertNew(otherRoot, 3, 4);
  }

  @Test
  void ofARangeEveryPageIs() {
    vcpu.engine.invalidate(Invalidation.range(page(3) + 0xFFF, 4098));
    assertNew(machine.cr3, 3, 6);
    assertNew(otherRoot, 3, 6);
    vcpu.engine.invalidate(Invalidation.range(page(0), PAGES << 12));
    assertNew(machine.cr3, 0, PAGES);
    assertNew(otherRoot, 0, PAGES);
  }

  @Test
  void anAddressSpaceIsForgottenAlone() {
    vcpu.engine.invalidate(Invalidation.addressSpace(otherRoot));
    assertNew(machine.cr3, 0, 0);
    assertNew(otherRoot, 0, PAGES);
    vcpu.engine.invalidate(Invalidation.addressSpace(0x7FFF000));
    assertNew(machine.cr3, 0, 0);
    vcpu.engine.invalidate(Invalidation.addressSpace(machine.cr3));
    assertNew(machine.cr3, 0, PAGES);
  }

  @Test
  void everythingIsEverything() {
    load(machine.cr3, 0);
    vcpu.engine.invalidate(Invalidation.ALL);
    assertNew(machine.cr3, 0, PAGES);
    assertNew(otherRoot, 0, PAGES);
  }

  // ---- code ----

  /** Runs code that jumps to another page, and puts other code in that page's place. */
  private void jumpAndReplace() {
    s.cr3 = machine.cr3;
    s.gpr[CpuState.RAX] = 0;
    machine.code(CODE, 0xE9, 0xFB, 0xFF, 0x01, 0x00); // jmp FAR
    machine.code(FAR, 0xB0, 1, 0x0F, 0x05); // mov al, 1; syscall
    for (int n = 0; n < 3; n++) {
      assertEquals(1, run());
    }
    long fresh = machine.frame();
    machine.set(fresh << 12, 0x050F02B0); // mov al, 2; syscall
    machine.mapFrame(machine.cr3, FAR, fresh, TestMachine.WRITABLE);
  }

  @Test
  void aPageOfCodeIsForgottenByThoseWhoJumpThere() {
    jumpAndReplace();
    vcpu.engine.invalidate(Invalidation.page(FAR + 5));
    assertEquals(2, run());
  }

  @Test
  void soItIsWhenAnotherPageHasTakenItsPlaceInTheTlb() {
    jumpAndReplace();
    machine.code(CODE + 0x800, 0x48, 0x8B, 0x03, 0x0F, 0x05);
    s.gpr[CpuState.RBX] = DISPLACES_FAR;
    s.rip = CODE + 0x800;
    assertEquals(Exit.SYSCALL, vcpu.engine.run(100));
    vcpu.engine.invalidate(Invalidation.page(FAR));
    s.gpr[CpuState.RAX] = 0;
    assertEquals(2, run());
  }

  @Test
  void aPageOfDataLeavesJumpsAsTheyAre() {
    jumpAndReplace();
    vcpu.engine.invalidate(Invalidation.page(DATA));
    assertEquals(1, run());
    vcpu.engine.invalidate(Invalidation.addressSpace(otherRoot));
    assertEquals(1, run());
    vcpu.engine.invalidate(Invalidation.addressSpace(machine.cr3));
    assertEquals(2, run());
  }
}
