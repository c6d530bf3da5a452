package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.HypercallNumber.MMU_UPDATE;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING;
import static dev.domus.kernel.abi.HypercallNumber.VM_ASSIST;
import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.exception;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.kernel.trap.Vector;
import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Stores of a guest kernel to its L1 tables (xen-pv-abi.md, 6.4), the engine being scripted. */
class WritablePageTablesTest {
  private static final long ARG = 6 << 12, HANDLER = 0x8000, AT = 0x4321;

  /** The only L1 table is page 3, and maps itself read-only there. */
  private static final long TABLE = 3 << 12;

  /** The entry that the tests change maps page 20; its address. */
  private static final int INDEX = 20;

  private static final long SLOT = TABLE + 8 * INDEX;
  private static final int WRITE_TO_READ_ONLY = 7;
  private static final long LEAF = Pte.P | Pte.U | Pte.A;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final MemorySegment memory = machine.hypervisor().memory();
  private final AtomicInteger steps = new AtomicInteger();
  private Domain domain;
  private Domain stranger;
  private Vcpu vcpu;
  private ScriptedVcpu guest;
  private FrameTable frames;

  @BeforeEach
  void start() {
    domain = machine.start();
    vcpu = domain.vcpu(0);
    guest = machine.engine().vcpu(0);
    stranger = machine.build(1);
    frames = domain.mmu().machine().table();
    guest.hypercall(24, 7, 0); // no periodic timer
    guest.step(s -> {
      vcpu.guest().putLong(ARG, Vector.PF | 0xE033L << 16);
      vcpu.guest().putLong(ARG + 8, HANDLER);
      vcpu.guest().putLong(ARG + 16, Vector.DB | 0xE033L << 16);
      vcpu.guest().putLong(ARG + 24, HANDLER + 1);
      vcpu.guest().putLong(ARG + 32, Vector.AC | 0xE033L << 16);
      vcpu.guest().putLong(ARG + 40, HANDLER + 2);
      vcpu.guest().putLong(ARG + 48, 0);
      vcpu.guest().putLong(ARG + 56, 0);
      return ScriptedVcpu.syscall(s, HypercallNumber.SET_TRAP_TABLE, ARG);
    });
    assertEquals(0, guest.hypercall(VM_ASSIST, 0, 2));
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private static long mfn(Domain d, int pfn) {
    return d.mmu().p2m().mfn(pfn);
  }

  private long word(long mfn, long va) {
    return memory.get(ValueLayout.JAVA_LONG, (mfn << 12) + (va & 4095));
  }

  private void set(long mfn, long va, long value) {
    memory.set(ValueLayout.JAVA_LONG, (mfn << 12) + (va & 4095), value);
  }

  private long entry() {
    return word(mfn(domain, 3), SLOT);
  }

  /** A guest that stores to an address that it may not write; what it finds afterwards. */
  private CpuState fault(long va, int errorCode) {
    return guest.step(s -> {
      s.rip = AT;
      s.gpr[CpuState.RAX] = 0xA;
      s.gpr[CpuState.RSP] = TinyMachine.STACK;
      return exception(s, Vector.PF, errorCode, va);
    });
  }

  /** The instruction stores eight bytes. */
  private void onStepOver(long va, long value) {
    guest.onStepOver((s, page, mfn) -> {
      steps.incrementAndGet();
      set(mfn, va, value);
      s.rip += 3;
      s.gpr[CpuState.RAX] = 0xB;
      s.retired++;
      return Exit.BUDGET;
    });
  }

  private void expectDone(CpuState s) {
    assertEquals(AT + 3, s.rip);
    assertEquals(0xB, s.gpr[CpuState.RAX]);
  }

  private void expectPageFault(CpuState s, long va) {
    assertEquals(HANDLER, s.rip);
    assertEquals(0xA, s.gpr[CpuState.RAX], "registers are as at the fault");
    assertEquals(AT, vcpu.guest().getLong(s.gpr[CpuState.RSP] + 24), "RIP in the frame");
    assertEquals(3, vcpu.guest().getLong(s.gpr[CpuState.RSP] + 16), "error code");
    assertEquals(
        va,
        memory.get(ValueLayout.JAVA_LONG, vcpu.vcpuInfo() + SharedInfoLayout.CR2),
        "CR2 of the fault that the guest caused");
  }

  @Test
  void aStoreTakesEffectWithReferencesAndAdjustedFlags() {
    long page = mfn(domain, 5);
    long before = frames.typeCount(page);
    onStepOver(SLOT, Pte.of(page, Pte.P | Pte.W | Pte.A));
    expectDone(fault(SLOT, WRITE_TO_READ_ONLY));
    assertEquals(Pte.of(page, LEAF | Pte.W | Pte.GUEST_KERNEL), entry());
    assertEquals(before + 1, frames.typeCount(page));
    assertEquals(0, frames.typeCount(mfn(domain, 20)), "what was mapped there is not any more");
  }

  @Test
  void anEntryCanBeCleared() {
    onStepOver(SLOT, 0);
    expectDone(fault(SLOT + 4, WRITE_TO_READ_ONLY));
    assertEquals(0, entry());
    assertEquals(0, frames.typeCount(mfn(domain, 20)));
  }

  @Test
  void theInstructionSeesTheWholeTable() {
    long neighbour = word(mfn(domain, 3), SLOT + 8);
    long old = entry();
    guest.onStepOver((s, va, mfn) -> {
      assertEquals(old, word(mfn, SLOT));
      assertEquals(neighbour, word(mfn, SLOT + 8));
      assertNotEquals(mfn(domain, 3), mfn);
      assertEquals(FrameTable.HYPERVISOR, frames.owner(mfn));
      assertEquals(SLOT, va);
      s.rip += 3;
      s.gpr[CpuState.RAX] = 0xB;
      return Exit.BUDGET; // a CMPXCHG that failed
    });
    expectDone(fault(SLOT, WRITE_TO_READ_ONLY));
    assertEquals(old, entry());
  }

  private void expectRefused(long va, long value) {
    long old = entry();
    onStepOver(va, value);
    expectPageFault(fault(SLOT, WRITE_TO_READ_ONLY), SLOT);
    assertEquals(1, steps.get());
    assertEquals(old, entry());
  }

  @Test
  void aStrangersFrameIsRefused() {
    expectRefused(SLOT, Pte.of(mfn(stranger, 5), LEAF));
  }

  @Test
  void aPageTableMappedWritableIsRefused() {
    expectRefused(SLOT, Pte.of(mfn(domain, 2), LEAF | Pte.W));
  }

  @Test
  void theHypervisorsOwnFrameIsRefused() {
    guest.onStepOver((s, va, mfn) -> {
      set(mfn, SLOT, Pte.of(mfn, LEAF | Pte.W));
      return Exit.BUDGET;
    });
    expectPageFault(fault(SLOT, WRITE_TO_READ_ONLY), SLOT);
  }

  @Test
  void forbiddenFlagsAreRefused() {
    expectRefused(SLOT, Pte.of(mfn(domain, 5), LEAF | Pte.PS));
  }

  @Test
  void aStoreToAnotherEntryIsRefused() {
    long neighbour = word(mfn(domain, 3), SLOT + 8);
    expectRefused(SLOT + 8, 0);
    assertEquals(neighbour, word(mfn(domain, 3), SLOT + 8));
  }

  @Test
  void aStoreAcrossTwoEntriesIsRefused() {
    guest.onStepOver((s, va, mfn) -> {
      set(mfn, SLOT, 0);
      set(mfn, SLOT + 8, 0);
      return Exit.BUDGET;
    });
    long old = entry();
    expectPageFault(fault(SLOT, WRITE_TO_READ_ONLY), SLOT);
    assertEquals(old, entry());
  }

  @Test
  void onlyTheAssistedKernelsWritesToPresentPagesAreLookedAt() {
    expectPageFaultWithoutStep(SLOT, 6, 2); // not present
    expectPageFaultWithoutStep(SLOT, 5, 1); // a read
    expectPageFaultWithoutStep(SLOT, 0x17, 0x13); // a fetch
    expectPageFaultWithoutStep(2 << 12, 7, 3); // an L2 table
    expectPageFaultWithoutStep(0, 7, 3); // the L4 table
    expectPageFaultWithoutStep(9 << 12, 7, 3); // no table
    expectPageFaultWithoutStep(0xFFFF800000000000L, 7, 3); // the M2P
    expectPageFaultWithoutStep(0x5000000, 7, 3); // nothing by now
    assertEquals(0, guest.hypercall(VM_ASSIST, 1, 2));
    expectPageFaultWithoutStep(SLOT, 7, 3);
  }

  private void expectPageFaultWithoutStep(long va, int errorCode, int seen) {
    CpuState s = fault(va, errorCode);
    assertEquals(HANDLER, s.rip);
    assertEquals(seen, vcpu.guest().getLong(s.gpr[CpuState.RSP] + 16));
  }

  @Test
  void userModeGetsItsFault() {
    guest.step(s -> {
      vcpu.setUserTable(vcpu.kernelTable());
      vcpu.traps().setKernelStack(0xE02B, 12 << 12);
      vcpu.enterUser();
      return Exit.BUDGET;
    });
    CpuState s = fault(SLOT, WRITE_TO_READ_ONLY);
    assertEquals(HANDLER, s.rip);
    assertEquals(7, vcpu.guest().getLong(s.gpr[CpuState.RSP] + 16));
    assertTrue(vcpu.kernelMode());
    guest.step(c -> {
      vcpu.setUserTable(-1);
      return Exit.BUDGET;
    });
  }

  @Test
  void anEntryThatChangedMeanwhileIsTriedAgain() {
    long old = entry();
    guest.onStepOver((s, va, mfn) -> {
      set(mfn, SLOT, 0);
      s.rip += 3;
      s.gpr[CpuState.RAX] = 0xB;
      set(mfn(domain, 3), SLOT, old | Pte.D); // a processor marks the entry
      return Exit.BUDGET;
    });
    CpuState s = fault(SLOT, WRITE_TO_READ_ONLY);
    assertEquals(AT, s.rip, "the same instruction again");
    assertEquals(0xA, s.gpr[CpuState.RAX]);
    assertEquals(CpuState.RF, s.rflags & CpuState.RF);
    assertEquals(old | Pte.D, entry());
  }

  @Test
  void aTableThatIsNoneAnyMoreIsNotWritten() {
    long spare = mfn(domain, 21);
    guest.onStepOver((s, va, mfn) -> {
      set(mfn, 8, 0x10);
      // meanwhile another vCPU takes the page out of its tables
      assertEquals(0, domain.mmu().roots().unpin(spare, TableWork.toTheEnd()));
      return Exit.BUDGET;
    });
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, 21 << 12, Pte.of(spare, LEAF), 0));
    assertEquals(0, domain.mmu().roots().pin(FrameTable.L1, spare, TableWork.toTheEnd()));
    CpuState s = fault((21 << 12) + 8, WRITE_TO_READ_ONLY);
    assertEquals(HANDLER, s.rip);
  }

  @Test
  void aDebugTrapComesAfterTheStore() {
    guest.onStepOver((s, va, mfn) -> {
      set(mfn, SLOT, 0);
      s.rip += 3;
      s.exitDebugStatus = 1 << 14;
      return exception(s, Vector.DB, 0, 0);
    });
    CpuState s = fault(SLOT, WRITE_TO_READ_ONLY);
    assertEquals(0, entry());
    assertEquals(HANDLER + 1, s.rip);
    assertEquals(AT + 3, vcpu.guest().getLong(s.gpr[CpuState.RSP] + 16), "RIP in the frame");
  }

  @Test
  void aRefusedStoreDoesNotTrap() {
    guest.onStepOver((s, va, mfn) -> {
      set(mfn, SLOT, Pte.of(mfn(stranger, 5), LEAF));
      s.rip += 3;
      s.gpr[CpuState.RAX] = 0xB;
      return exception(s, Vector.DB, 0, 0);
    });
    expectPageFault(fault(SLOT, WRITE_TO_READ_ONLY), SLOT);
  }

  @Test
  void aFaultElsewhereLeavesTheFirstOneToTheGuest() {
    guest.onStepOver((s, va, mfn) -> exception(s, Vector.PF, 6, 0x7777000));
    expectPageFault(fault(SLOT, WRITE_TO_READ_ONLY), SLOT);
  }

  @Test
  void anotherExceptionInsteadIsDelivered() {
    guest.onStepOver((s, va, mfn) -> exception(s, Vector.AC, 0, 0));
    assertEquals(HANDLER + 2, fault(SLOT, WRITE_TO_READ_ONLY).rip);
  }

  @Test
  void anInstructionThatHasBecomeASyscallIsStartedAgain() {
    guest.onStepOver((s, va, mfn) -> {
      s.rip += 2;
      s.gpr[CpuState.RCX] = s.rip;
      return Exit.SYSCALL;
    });
    assertEquals(AT, fault(SLOT, WRITE_TO_READ_ONLY).rip);
  }

  @Test
  void theFrameOfTheCopyIsFreedWithTheDomain() {
    long[] copy = new long[1];
    guest.onStepOver((s, va, mfn) -> {
      copy[0] = mfn;
      return Exit.BUDGET;
    });
    fault(SLOT, WRITE_TO_READ_ONLY);
    assertTrue(frames.isAllocated(copy[0]));
    machine.control().destroyDomain(domain.domid());
    assertFalse(frames.isAllocated(copy[0]));
  }

  @Test
  void anUpdateByHypercallLooksTheSame() {
    long page = mfn(domain, 5);
    long entry = Pte.of(page, Pte.P | Pte.W | Pte.A);
    onStepOver(SLOT, entry);
    fault(SLOT, WRITE_TO_READ_ONLY);
    long stored = entry();
    guest.step(s -> {
      vcpu.guest().putLong(ARG, (mfn(domain, 3) << 12) + 8 * INDEX);
      vcpu.guest().putLong(ARG + 8, entry);
      return ScriptedVcpu.syscall(s, MMU_UPDATE, ARG, 1, 0, 0x7FF0);
    });
    assertEquals(0, vcpu.state().gpr[CpuState.RAX]);
    assertEquals(stored, entry());
  }
}
