package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.domus.engine.jvm.TestMachine.TestVcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** One instruction with a frame in the place of a page that it may not write. */
class StepOverTest {
  private static final long CODE = 0x10000, DATA = 0x20000, TABLE = 0x30000;
  private static final long OLD = 0x8000_0000_0012_3067L, NEW = 0x0010_0000_0045_6025L;
  private static final int PF = 14, DB = 1, WRITE_TO_READ_ONLY = 7;

  private TestMachine machine;
  private TestVcpu vcpu;
  private CpuState s;
  private long copy;

  @BeforeEach
  void makeMachine() {
    machine = new TestMachine(64);
    machine.map(CODE, 1, TestMachine.WRITABLE);
    machine.map(DATA, 1, TestMachine.WRITABLE);
    machine.map(TABLE, 1, TestMachine.READ_ONLY);
    copy = machine.frame();
    vcpu = machine.vcpu();
    s = vcpu.state;
    s.rip = CODE;
    s.gpr[CpuState.RSP] = DATA + 0x800;
    s.gpr[CpuState.RBX] = TABLE + 0x18;
    s.gpr[CpuState.RCX] = NEW;
    machine.set(machine.machineAddress(TABLE + 0x18), OLD);
    machine.set((copy << 12) + 0x18, OLD);
  }

  private static Arguments form(String name, long rax, long expected, int... bytes) {
    return Arguments.of(name, rax, expected, bytes);
  }

  static Stream<Arguments> forms() {
    long high = OLD & -1L << 32;
    return Stream.of(
        form("mov [rbx], rcx", 0, NEW, 0x48, 0x89, 0x0B),
        form("mov [rbx], ecx", 0, high | NEW & 0xFFFFFFFFL, 0x89, 0x0B),
        form("mov [rbx], cx", 0, OLD & ~0xFFFFL | NEW & 0xFFFF, 0x66, 0x89, 0x0B),
        form("mov [rbx], cl", 0, OLD & ~0xFFL | NEW & 0xFF, 0x88, 0x0B),
        form("mov qword [rbx], 0", 0, 0, 0x48, 0xC7, 0x03, 0, 0, 0, 0),
        form("xchg [rbx], rcx", 0, NEW, 0x48, 0x87, 0x0B),
        form("lock cmpxchg [rbx], rcx", OLD, NEW, 0xF0, 0x48, 0x0F, 0xB1, 0x0B),
        form("lock cmpxchg [rbx], rcx, fails", 1, OLD, 0xF0, 0x48, 0x0F, 0xB1, 0x0B),
        form("cmpxchg [rbx], rcx", OLD, NEW, 0x48, 0x0F, 0xB1, 0x0B),
        form("lock and qword [rbx], -3", 0, OLD & -3, 0xF0, 0x48, 0x83, 0x23, 0xFD),
        form("lock and byte [rbx], 0xFD", 0, OLD & ~2, 0xF0, 0x80, 0x23, 0xFD),
        form("lock or [rbx], rax", 8, OLD | 8, 0xF0, 0x48, 0x09, 0x03),
        form("lock or byte [rbx + 7], 0x40", 0, OLD | 1L << 62, 0xF0, 0x80, 0x4B, 7, 0x40),
        form("lock bts qword [rbx], 9", 0, OLD | 512, 0xF0, 0x48, 0x0F, 0xBA, 0x2B, 9),
        form("lock btr qword [rbx], 1", 0, OLD & ~2, 0xF0, 0x48, 0x0F, 0xBA, 0x33, 1),
        form("lock btr [rbx], rax", 6, OLD & ~64, 0xF0, 0x48, 0x0F, 0xB3, 0x03),
        form("btr byte-wide neighbour: bts [rbx - 8], rax", 64, OLD, 0x48, 0x0F, 0xAB, 0x43, 0xF8),
        form("lock xadd [rbx], rax", 0x1000, OLD + 0x1000, 0xF0, 0x48, 0x0F, 0xC1, 0x03),
        form("or qword [rbx], 2", 0, OLD | 2, 0x48, 0x83, 0x0B, 2),
        form("push of something else than the page: pop [rbx]", 0, 0, 0x8F, 0x03),
        form("movnti [rbx], rcx", 0, NEW, 0x48, 0x0F, 0xC3, 0x0B));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("forms")
  void theInstructionHappensToTheFrameAndNotToThePage(
      String name, long rax, long expected, int[] bytes) {
    machine.code(CODE, bytes);
    s.gpr[CpuState.RAX] = rax;
    expectPageFault(vcpu.engine.run(10), TABLE);
    long gprRcx = s.gpr[CpuState.RCX];

    assertEquals(Exit.BUDGET, vcpu.engine.stepOver(TABLE, copy));

    assertEquals(expected, machine.get((copy << 12) + 0x18));
    assertEquals(OLD, machine.readLong(TABLE + 0x18));
    assertEquals(CODE + bytes.length, s.rip);
    assertEquals(1, s.retired);
    if (name.startsWith("xchg")) {
      assertEquals(OLD, s.gpr[CpuState.RCX]);
    } else {
      assertEquals(gprRcx, s.gpr[CpuState.RCX]);
    }
    if (name.endsWith("fails")) {
      assertEquals(OLD, s.gpr[CpuState.RAX]);
      assertEquals(0, s.rflags & CpuState.ZF);
    }
  }

  private void expectPageFault(Exit exit, long page) {
    assertEquals(Exit.EXCEPTION, exit);
    assertEquals(PF, s.exitVector);
    assertEquals(WRITE_TO_READ_ONLY, s.exitErrorCode);
    assertEquals(page, s.exitAddress & -4096);
    assertEquals(CODE, s.rip);
    assertEquals(0, s.retired);
  }

  @Test
  void nothingOfTheFrameStaysInTheTranslations() {
    machine.code(CODE, 0x48, 0x89, 0x0B, 0x48, 0x8B, 0x03, 0x48, 0x89, 0x0B);
    assertEquals(Exit.BUDGET, vcpu.engine.stepOver(TABLE, copy));
    assertEquals(Exit.EXCEPTION, vcpu.engine.run(10)); // mov rax, [rbx]; mov [rbx], rcx
    assertEquals(PF, s.exitVector);
    assertEquals(CODE + 6, s.rip);
    assertEquals(OLD, s.gpr[CpuState.RAX]);
    assertNotEquals(NEW, machine.readLong(TABLE + 0x18));
  }

  @Test
  void aTranslationFromBeforeDoesNotHideTheFrame() {
    machine.code(CODE, 0x48, 0x8B, 0x03, 0x0F, 0x05, 0x48, 0x87, 0x0B);
    machine.set((copy << 12) + 0x18, 0x77);
    assertEquals(Exit.SYSCALL, vcpu.engine.run(10)); // mov rax, [rbx]; syscall
    s.gpr[CpuState.RCX] = NEW; // xchg [rbx], rcx
    assertEquals(Exit.BUDGET, vcpu.engine.stepOver(TABLE + 0xFFF, copy));
    assertEquals(0x77, s.gpr[CpuState.RCX]);
  }

  @Test
  void aWriteToAnotherPageFaultsAlthoughThePageIsWritable() {
    machine.code(CODE, 0x48, 0x89, 0x0B, 0x0F, 0x05);
    s.gpr[CpuState.RBX] = DATA;
    assertEquals(Exit.SYSCALL, vcpu.engine.run(10));
    s.rip = CODE;
    s.retired = 0;
    expectPageFault(vcpu.engine.stepOver(TABLE, copy), DATA);
  }

  @Test
  void aWriteThatLeavesThePageFaultsWithNothingChanged() {
    machine.map(TABLE + 4096, 1, TestMachine.WRITABLE);
    machine.map(TABLE - 4096, 1, TestMachine.WRITABLE);
    int[][] instructions = {{0x48, 0x89, 0x0B}, {0xF0, 0x48, 0x09, 0x0B}, {0x0F, 0x11, 0x03}};
    for (int[] bytes : instructions) { // mov, lock or, movups
      for (long at : new long[] {TABLE - 4, TABLE + 4092}) {
        machine.code(CODE, bytes);
        s.gpr[CpuState.RBX] = at;
        s.fpu.xmm[0] = -1;
        s.fpu.xmm[1] = -1;
        Exit exit = vcpu.engine.stepOver(TABLE, copy);
        assertEquals(Exit.EXCEPTION, exit);
        assertEquals(PF, s.exitVector);
        assertEquals(CODE, s.rip);
        assertEquals(0, machine.readLong(at));
      }
    }
  }

  @Test
  void anAccessThatIsNotAlignedFaults() {
    machine.code(CODE, 0x89, 0x4B, 0x02); // mov [rbx + 2], ecx
    expectPageFault(vcpu.engine.stepOver(TABLE, copy), TABLE);
    assertEquals(OLD, machine.get((copy << 12) + 0x18));
  }

  @Test
  void aRepeatedStoreMakesOneIteration() {
    machine.code(CODE, 0xF3, 0x48, 0xAB);
    s.gpr[CpuState.RDI] = TABLE + 0x18;
    s.gpr[CpuState.RCX] = 100;
    assertEquals(Exit.BUDGET, vcpu.engine.stepOver(TABLE, copy));
    assertEquals(0, machine.get((copy << 12) + 0x18));
    assertEquals(TABLE + 0x20, s.gpr[CpuState.RDI]);
    assertEquals(99, s.gpr[CpuState.RCX]);
    assertEquals(CODE, s.rip);
    assertEquals(1, s.retired);
  }

  @Test
  void aSourceThatIsMissingFaultsAsItself() {
    machine.code(CODE, 0x48, 0xA5); // movsq
    s.gpr[CpuState.RSI] = 0x5000000;
    s.gpr[CpuState.RDI] = TABLE;
    assertEquals(Exit.EXCEPTION, vcpu.engine.stepOver(TABLE, copy));
    assertEquals(4, s.exitErrorCode);
    assertEquals(0x5000000, s.exitAddress);
  }

  @Test
  void theTrapFlagTrapsAfterTheInstruction() {
    machine.code(CODE, 0x48, 0x89, 0x0B);
    s.rflags |= CpuState.TF;
    assertEquals(Exit.EXCEPTION, vcpu.engine.stepOver(TABLE, copy));
    assertEquals(DB, s.exitVector);
    assertEquals(1 << 14, s.exitDebugStatus);
    assertEquals(CODE + 3, s.rip);
    assertEquals(NEW, machine.get((copy << 12) + 0x18));
  }

  @Test
  void anInstructionBreakpointIsPassedAndADataBreakpointIsNot() {
    machine.code(CODE, 0x48, 0x89, 0x0B);
    s.dr[0] = CODE;
    s.dr[1] = TABLE + 0x18;
    s.dr[7] = 1 | 1 << 2 | 1 << 20 | 2 << 22;
    assertEquals(Exit.EXCEPTION, vcpu.engine.stepOver(TABLE, copy));
    assertEquals(DB, s.exitVector);
    assertEquals(2, s.exitDebugStatus);
    assertEquals(CODE + 3, s.rip);
  }

  @Test
  void aKickIsLeftToTheNextRun() {
    machine.code(CODE, 0x48, 0x89, 0x0B, 0xEB, 0xFE);
    vcpu.engine.kick();
    assertEquals(Exit.BUDGET, vcpu.engine.stepOver(TABLE, copy));
    assertEquals(CODE + 3, s.rip);
    assertEquals(Exit.KICKED, vcpu.engine.run(100));
  }

  @Test
  void codeOnThePageIsExecutedAsItIs() {
    machine.mapFrame(machine.cr3, TABLE, machine.frame(), TestMachine.READ_ONLY);
    machine.code(TABLE, 0x48, 0x89, 0x0B);
    s.rip = TABLE;
    assertEquals(Exit.BUDGET, vcpu.engine.stepOver(TABLE, copy));
    assertEquals(TABLE + 3, s.rip);
    assertEquals(NEW, machine.get((copy << 12) + 0x18));
  }

  @Test
  void anotherVcpusChangeOfTheCodeIsSeen() {
    machine.code(CODE, 0x48, 0x89, 0x0B);
    assertEquals(Exit.BUDGET, vcpu.engine.stepOver(TABLE, copy));
    s.rip = CODE;
    machine.code(CODE, 0x0F, 0x05);
    assertEquals(Exit.SYSCALL, vcpu.engine.stepOver(TABLE, copy));
  }
}
