package dev.domus.kernel.domctl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.HypercallPage;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.Window;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** domctl and sysctl, by a guest that is privileged and by one that is not. */
@Timeout(60)
final class DomctlOpTest {
  private static final long ARG = 6 << 12, BUFFER = 8 << 12, SCRATCH = 10 << 12;
  private static final long U = ARG + DomctlLayout.UNION, S = ARG + SysctlLayout.UNION;

  private TinyMachine machine;
  private Domain manager;
  private ScriptedVcpu guest;
  private Window memory;

  @BeforeEach
  void start() {
    machine = new TinyMachine(TestSchedulers.roundRobin(), 2);
    manager = machine.buildPrivileged(1);
    guest = machine.engine().vcpu(0);
    memory = machine.control().mapForeign(manager.domid(), 4, TinyMachine.GUEST_PAGES - 4, true);
    machine.control().unpause(manager.domid());
  }

  @AfterEach
  void stop() {
    memory.close();
    machine.close();
  }

  private void putInt(long va, int value) {
    memory.putInt(va - (4 << 12), value);
  }

  private void putLong(long va, long value) {
    memory.putLong(va - (4 << 12), value);
  }

  private int getInt(long va) {
    return memory.getInt(va - (4 << 12));
  }

  private long getLong(long va) {
    return memory.getLong(va - (4 << 12));
  }

  private void clear(long va) {
    for (int i = 0; i < 4096; i += 8) {
      putLong(va + i, 0);
    }
  }

  private long domctl(int command, int domid) {
    putInt(ARG + DomctlLayout.COMMAND, command);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    putInt(ARG + DomctlLayout.DOMAIN, domid);
    return guest.hypercall(HypercallNumber.DOMCTL, ARG);
  }

  private long sysctl(int command) {
    putInt(ARG + DomctlLayout.COMMAND, command);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    return guest.hypercall(HypercallNumber.SYSCTL, ARG);
  }

  private int create(int vcpus) {
    clear(ARG);
    putInt(U + DomctlLayout.CREATE_VCPUS, vcpus);
    putLong(U + DomctlLayout.CREATE_HANDLE, 0x0706050403020100L);
    assertEquals(0, domctl(DomctlLayout.CREATE_DOMAIN, 0));
    return getInt(ARG + DomctlLayout.DOMAIN) & 0xFFFF;
  }

  @Test
  void theVersionIsCheckedBeforeThePrivilegeAndTheDomainBeforeBoth() {
    int plain = machine.start().domid();
    ScriptedVcpu stranger = machine.engine().vcpu(1);
    assertEquals(-Errno.EACCES, stranger.hypercall(HypercallNumber.DOMCTL, ARG));
    try (Window window = machine.control().mapForeign(plain, 6, 1, true)) {
      window.putInt(0, DomctlLayout.PAUSE_DOMAIN);
      window.putInt(4, DomctlLayout.INTERFACE_VERSION);
      window.putInt(8, 999);
      assertEquals(-Errno.ESRCH, stranger.hypercall(HypercallNumber.DOMCTL, ARG));
      window.putInt(8, manager.domid());
      assertEquals(-Errno.EPERM, stranger.hypercall(HypercallNumber.DOMCTL, ARG));
      assertEquals(-Errno.EPERM, stranger.hypercall(HypercallNumber.SYSCTL, ARG));
      window.putInt(4, DomctlLayout.INTERFACE_VERSION + 1);
      assertEquals(-Errno.EACCES, stranger.hypercall(HypercallNumber.SYSCTL, ARG));
    }
    assertEquals(1, machine.hypervisor().access().refusals(Operation.DOMCTL));
    assertEquals(1, machine.hypervisor().access().refusals(Operation.SYSCTL));
  }

  @Test
  void aDomainIsMadeGivenMemorySetUpRunAndTakenApart() {
    int domid = create(2);
    Domain made = machine.hypervisor().domain(domid);
    assertEquals(0x0001020304050607L, made.handle().getMostSignificantBits());

    clear(ARG);
    putInt(U, 2);
    assertEquals(0, domctl(DomctlLayout.MAX_VCPUS, domid));
    putInt(U, 3);
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.MAX_VCPUS, domid));
    assertEquals(0, made.mmu().maxPages());
    putLong(U, 4 * 16);
    assertEquals(0, domctl(DomctlLayout.MAX_MEM, domid));
    assertEquals(16, made.mmu().maxPages());

    machine.control().populate(domid, 0, 16);
    try (Window window = machine.control().mapForeign(domid, 0, 4, true)) {
      for (int table = 0; table < 3; table++) {
        window.putLong(
            (long) table << 12,
            Pte.of(machine.control().mfn(domid, table + 1), Pte.P | Pte.W | Pte.U | Pte.A));
      }
      for (int pfn = 0; pfn < 16; pfn++) {
        long flags = Pte.P | Pte.U | Pte.A | (pfn < 4 ? 0 : Pte.W);
        window.putLong((3L << 12) + 8L * pfn, Pte.of(machine.control().mfn(domid, pfn), flags));
      }
    }
    long root = machine.control().mfn(domid, 0);
    machine.control().pinTable(domid, 4, root);

    clear(ARG);
    long stubs = machine.control().mfn(domid, 5);
    putLong(U, stubs);
    assertEquals(0, domctl(DomctlLayout.HYPERCALL_INIT, domid));
    byte[] expected = HypercallPage.contents();
    byte[] found = new byte[expected.length];
    for (int i = 0; i < found.length; i++) {
      found[i] = machine.hypervisor().memory().get(ValueLayout.JAVA_BYTE, (stubs << 12) + i);
    }
    assertArrayEquals(expected, found);
    putLong(U, root);
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.HYPERCALL_INIT, domid), "a page table");

    clear(BUFFER);
    clear(BUFFER + 4096);
    putLong(BUFFER + VcpuGuestContextLayout.FLAGS, 1 << 2 | VcpuGuestContextLayout.ONLINE);
    putLong(BUFFER + VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RIP, 0x4567);
    putLong(BUFFER + VcpuGuestContextLayout.CTRLREG + 24, root << 12);
    clear(ARG);
    putInt(U + DomctlLayout.VCPU, 0);
    putLong(U + DomctlLayout.CONTEXT, BUFFER);
    putLong(BUFFER + VcpuGuestContextLayout.VM_ASSIST, 1 << 6);
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.SET_VCPU_CONTEXT, domid), "no such assist");
    made.setAssist(3, true);
    putLong(BUFFER + VcpuGuestContextLayout.VM_ASSIST, 1L << 32 | 1 << 4);
    assertEquals(0, domctl(DomctlLayout.SET_VCPU_CONTEXT, domid));
    assertEquals(1L << 32 | 1 << 4, made.assists(), "these and no others");
    putLong(BUFFER + VcpuGuestContextLayout.VM_ASSIST, 0);
    assertEquals(0, domctl(DomctlLayout.SET_VCPU_CONTEXT, domid), "the same again");
    assertEquals(1L << 32 | 1 << 4, made.assists(), "only a vCPU's first context says which");

    clear(BUFFER);
    clear(BUFFER + 4096);
    assertEquals(0, domctl(DomctlLayout.GET_VCPU_CONTEXT, domid));
    assertEquals(
        0x4567,
        getLong(BUFFER + VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RIP));
    assertEquals(root << 12, getLong(BUFFER + VcpuGuestContextLayout.CTRLREG + 24));
    assertEquals(made.assists(), getLong(BUFFER + VcpuGuestContextLayout.VM_ASSIST));
    assertEquals(
        VcpuGuestContextLayout.ONLINE | VcpuGuestContextLayout.IN_KERNEL,
        getLong(BUFFER + VcpuGuestContextLayout.FLAGS)
            & (VcpuGuestContextLayout.ONLINE | VcpuGuestContextLayout.IN_KERNEL));

    assertEquals(0, domctl(DomctlLayout.UNPAUSE_DOMAIN, domid));
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.UNPAUSE_DOMAIN, domid));
    ScriptedVcpu child = machine.engine().vcpu(1);
    CpuState ran = child.step(s -> ScriptedVcpu.syscall(s, HypercallNumber.XEN_VERSION));
    assertEquals(0x4567 + 2, ran.rip);

    assertEquals(0, domctl(DomctlLayout.PAUSE_DOMAIN, domid));
    clear(ARG);
    assertEquals(0, domctl(DomctlLayout.GET_DOMAIN_INFO, domid));
    assertEquals(
        DomctlLayout.INFO_PAUSED,
        getInt(U + DomctlLayout.INFO_FLAGS)
            & (DomctlLayout.INFO_PAUSED | DomctlLayout.INFO_RUNNING | DomctlLayout.INFO_DYING));
    assertEquals(16, getLong(U + DomctlLayout.INFO_PAGES));
    assertEquals(1, getInt(U + DomctlLayout.INFO_ONLINE));
    assertEquals(1, getInt(U + DomctlLayout.INFO_MAX_VCPU));

    long free = machine.hypervisor().machineFrames().allocator().freeFrames();
    assertEquals(0, domctl(DomctlLayout.DESTROY_DOMAIN, domid));
    assertNull(machine.hypervisor().domain(domid));
    assertTrue(machine.hypervisor().machineFrames().allocator().freeFrames() >= free + 16);
    assertEquals(-Errno.ESRCH, domctl(DomctlLayout.DESTROY_DOMAIN, domid));
  }

  @Test
  void aContextIsReadWholeAndSetAgainAsDebuggersDo() {
    Domain other = machine.build(1);
    CpuState state = other.vcpu(0).state();
    state.fpu.fsw = 5 << 11; // TOP
    state.fpu.significand[5] = 0x1122_3344_5566_7788L;
    state.fpu.signExponent[5] = 0xC001;
    state.fpu.xmm[31] = 0x99;
    clear(ARG);
    clear(BUFFER);
    clear(BUFFER + 4096);
    putLong(U + DomctlLayout.CONTEXT, BUFFER);
    assertEquals(0, domctl(DomctlLayout.GET_VCPU_CONTEXT, other.domid()));
    assertEquals(1, getLong(BUFFER + VcpuGuestContextLayout.FLAGS) & 1, "FPU valid");
    assertEquals(0x037F | 5L << 27, getLong(BUFFER) & 0xFFFF_FFFFL, "FCW and FSW");
    assertEquals(0x1122_3344_5566_7788L, getLong(BUFFER + 32), "ST0");
    assertEquals(0xC001, getLong(BUFFER + 40));
    assertEquals(0x1F80, getInt(BUFFER + 24), "MXCSR");
    assertEquals(0x99, getLong(BUFFER + 160 + 8 * 31), "XMM15");

    long rax = BUFFER + VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.register(0);
    putLong(rax, 1); // as who resumes a domain tells it that suspending was cancelled
    putLong(BUFFER + 160, 0x77);
    putInt(BUFFER + 24, 0xFFFF_1F80); // bits of MXCSR that do not exist
    assertEquals(0, domctl(DomctlLayout.SET_VCPU_CONTEXT, other.domid()));
    assertEquals(1, state.gpr[CpuState.RAX]);
    assertEquals(0x77, state.fpu.xmm[0]);
    assertEquals(0x1122_3344_5566_7788L, state.fpu.significand[5]);
    assertEquals(0x1F80, state.fpu.mxcsr);
    assertTrue(other.vcpu(0).online());

    putLong(BUFFER + VcpuGuestContextLayout.FLAGS, VcpuGuestContextLayout.IN_KERNEL);
    assertEquals(0, domctl(DomctlLayout.SET_VCPU_CONTEXT, other.domid()));
    assertFalse(other.vcpu(0).online(), "the context says that it is down");
    assertEquals(0, state.fpu.xmm[0], "without FPU registers it has those of power-on");

    putLong(BUFFER + VcpuGuestContextLayout.CTRLREG + 24, 7 << 12);
    putLong(rax, 2);
    assertEquals(-Errno.EOPNOTSUPP, domctl(DomctlLayout.SET_VCPU_CONTEXT, other.domid()));
    assertEquals(1, state.gpr[CpuState.RAX], "as it was");
  }

  private int getDomid() {
    return getInt(ARG + DomctlLayout.DOMAIN) & 0xFFFF;
  }

  @Test
  void aDomainGetsTheIdThatIsWantedIfItIsFree() {
    clear(ARG);
    putInt(U + DomctlLayout.CREATE_VCPUS, 1);
    assertEquals(0, domctl(DomctlLayout.CREATE_DOMAIN, 77));
    assertEquals(77, getDomid());
    assertEquals(77, machine.hypervisor().domain(77).domid());
    assertEquals(-Errno.EEXIST, domctl(DomctlLayout.CREATE_DOMAIN, 77));
    assertEquals(-Errno.EEXIST, domctl(DomctlLayout.CREATE_DOMAIN, manager.domid()));
    assertEquals(0, domctl(DomctlLayout.DESTROY_DOMAIN, 77));
    assertEquals(0, domctl(DomctlLayout.CREATE_DOMAIN, 77));
  }

  @Test
  void idsBeginAgainBeforeTheReservedOnesAndPassOverThoseInUse() {
    int next = manager.domid() + 1;
    clear(ARG);
    putInt(U + DomctlLayout.CREATE_VCPUS, 1);
    assertEquals(0, domctl(DomctlLayout.CREATE_DOMAIN, next));
    for (int id = next + 1; id < Domid.FIRST_RESERVED; id++) { // as if others had come and gone
      assertEquals(id, machine.hypervisor().ids().claimNext());
      machine.hypervisor().ids().release(id);
    }
    assertEquals(next + 1, create(1));
  }

  @Test
  void aDeadDomainsIdIsNotGivenOutWhileOneOfItsFramesIsMapped() {
    int dead = machine.build(1).domid();
    Window held = machine.control().mapForeign(dead, 8, 1, true);
    machine.control().destroyDomain(dead);
    clear(ARG);
    putInt(U + DomctlLayout.CREATE_VCPUS, 1);
    assertEquals(-Errno.EEXIST, domctl(DomctlLayout.CREATE_DOMAIN, dead));
    held.close();
    assertEquals(0, domctl(DomctlLayout.CREATE_DOMAIN, dead));
  }

  @Test
  void aPrivilegedGuestShutsOthersDownButNotItself() {
    Domain other = machine.start();
    putLong(SCRATCH, other.domid() | (long) DomainInfo.REBOOT << 32);
    assertEquals(0, guest.hypercall(HypercallNumber.SCHED_OP, 4, SCRATCH));
    assertEquals(DomainInfo.REBOOT, other.shutdownReason());
    putLong(SCRATCH, manager.domid());
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.SCHED_OP, 4, SCRATCH));
    assertTrue(manager.mayRun());
    assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.SCHED_OP, 4, 1L << 40));
  }

  @Test
  void nobodyPausesDestroysOrSetsUpItself() {
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.PAUSE_DOMAIN, manager.domid()));
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.DESTROY_DOMAIN, manager.domid()));
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.SET_VCPU_CONTEXT, manager.domid()));
  }

  @Test
  void destructionGoesOnWhereItWasAndTheDomainIsDyingUntilItIsDone() {
    int domid = machine.build(1).domid();
    int[] looks = new int[1];
    int rounds = 1;
    while (!machine.hypervisor().destroyDomain(domid, () -> looks[0]++ % 2 == 0)) {
      rounds++;
      assertEquals(0, domctl(DomctlLayout.GET_DOMAIN_INFO, domid));
      assertEquals(domid, getInt(U + DomctlLayout.INFO_DOMAIN) & 0xFFFF);
      assertTrue((getInt(U + DomctlLayout.INFO_FLAGS) & DomctlLayout.INFO_DYING) != 0);
      assertEquals(-Errno.ESRCH, domctl(DomctlLayout.PAUSE_DOMAIN, domid));
    }
    assertTrue(rounds > 2, "rounds=" + rounds);
    assertTrue(machine.control().domain(domid).isEmpty());
  }

  @Test
  void twoDomainsThatPauseEachOtherBothReturn() {
    Domain second = machine.buildPrivileged(1);
    ScriptedVcpu other = machine.engine().vcpu(1);
    try (Window theirs = machine.control().mapForeign(second.domid(), 6, 1, true)) {
      theirs.putInt(0, DomctlLayout.PAUSE_DOMAIN);
      theirs.putInt(4, DomctlLayout.INTERFACE_VERSION);
      theirs.putInt(8, manager.domid());
      putInt(ARG, DomctlLayout.PAUSE_DOMAIN);
      putInt(ARG + 4, DomctlLayout.INTERFACE_VERSION);
      putInt(ARG + 8, second.domid());
      machine.control().unpause(second.domid());
      for (int round = 0; round < 50; round++) {
        var mine = guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.DOMCTL, ARG));
        var his = other.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.DOMCTL, ARG));
        while (!mine.isDone() || !his.isDone()) { // at least one of them pauses the other
          for (Domain d : List.of(manager, second)) {
            if (d.paused()) {
              machine.control().unpause(d.domid());
            }
          }
          Thread.onSpinWait();
        }
      }
    }
  }

  @Test
  void affinityAndShareAreWhatWasSet() {
    int domid = machine.build(1).domid();
    clear(ARG);
    putInt(U + DomctlLayout.AFFINITY_FLAGS, DomctlLayout.HARD);
    putLong(U + DomctlLayout.AFFINITY_HARD, SCRATCH);
    putInt(U + DomctlLayout.AFFINITY_HARD + DomctlLayout.BITMAP_COUNT, 64);
    putLong(SCRATCH, 0b10);
    assertEquals(0, domctl(DomctlLayout.SET_VCPU_AFFINITY, domid));
    putLong(SCRATCH, -1);
    assertEquals(0, domctl(DomctlLayout.SET_VCPU_AFFINITY, domid));
    assertEquals(0b11, getLong(SCRATCH), "what that comes down to");
    putLong(SCRATCH, 0b10);
    assertEquals(0, domctl(DomctlLayout.SET_VCPU_AFFINITY, domid));
    putLong(SCRATCH, -1);
    assertEquals(0, domctl(DomctlLayout.GET_VCPU_AFFINITY, domid));
    assertEquals(0b10, getLong(SCRATCH));
    putLong(SCRATCH, 0b100); // a pCPU that the pool does not have
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.SET_VCPU_AFFINITY, domid));

    clear(ARG);
    putInt(U + DomctlLayout.SCHED_CMD, DomctlLayout.SCHED_PUT);
    putInt(U + DomctlLayout.SCHED_WEIGHT, 512 | 0xFFFF << 16);
    assertEquals(0, domctl(DomctlLayout.SCHEDULER_OP, domid));
    putInt(U + DomctlLayout.SCHED_CMD, DomctlLayout.SCHED_GET);
    assertEquals(0, domctl(DomctlLayout.SCHEDULER_OP, domid));
    assertEquals(512, getInt(U + DomctlLayout.SCHED_WEIGHT));
    putInt(U + DomctlLayout.SCHED_ID, 5);
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.SCHEDULER_OP, domid), "not credit");
    putInt(U + DomctlLayout.SCHED_ID, 0);
    putInt(U + DomctlLayout.SCHED_CMD, DomctlLayout.SCHED_GET_VCPU);
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.SCHEDULER_OP, domid));
  }

  @Test
  void framesAreToldByTypeAndStrangersAsNotThere() {
    Domain other = machine.build(1);
    clear(SCRATCH);
    for (int i = 0; i < 5; i++) {
      putLong(SCRATCH + 8L * i, machine.control().mfn(other.domid(), i));
    }
    putLong(SCRATCH + 40, machine.control().mfn(manager.domid(), 0));
    putLong(SCRATCH + 48, -1);
    clear(ARG);
    putLong(U + DomctlLayout.FRAMES_COUNT, 7);
    putLong(U + DomctlLayout.FRAMES_ARRAY, SCRATCH);
    assertEquals(0, domctl(DomctlLayout.GET_PAGE_FRAME_INFO3, other.domid()));
    List<Long> types = new ArrayList<>();
    for (int i = 0; i < 7; i++) {
      types.add(getLong(SCRATCH + 8L * i));
    }
    assertEquals(
        List.of(
            0xC000_0000L, 0x3000_0000L, 0x2000_0000L, 0x1000_0000L, 0L, 0xF000_0000L, 0xF000_0000L),
        types);
  }

  @Test
  void sysctlDescribesTheMachine() {
    machine.build(1);
    clear(ARG);
    assertEquals(0, sysctl(SysctlLayout.PHYS_INFO));
    assertEquals(2, getInt(S + SysctlLayout.PHYS_CPUS));
    assertEquals(
        machine.hypervisor().machineFrames().allocator().freeFrames(),
        getLong(S + SysctlLayout.PHYS_FREE));

    clear(ARG);
    putInt(S + SysctlLayout.LIST_MAX, 10);
    putLong(S + SysctlLayout.LIST_BUFFER, SCRATCH);
    assertEquals(0, sysctl(SysctlLayout.GET_DOMAIN_INFO_LIST));
    assertEquals(2, getInt(S + SysctlLayout.LIST_COUNT));
    assertEquals(manager.domid(), getInt(SCRATCH) & 0xFFFF);
    assertEquals(TinyMachine.GUEST_PAGES, getLong(SCRATCH + DomctlLayout.INFO_SIZE + 8));

    clear(ARG);
    putInt(S + SysctlLayout.POOL_OP, SysctlLayout.POOL_INFO);
    putLong(S + SysctlLayout.POOL_CPUS, SCRATCH);
    putInt(S + SysctlLayout.POOL_CPUS + DomctlLayout.BITMAP_COUNT, 8);
    assertEquals(0, sysctl(SysctlLayout.CPUPOOL_OP));
    assertEquals(0b11, getInt(SCRATCH) & 0xFF);
    assertEquals(2, getInt(S + SysctlLayout.POOL_DOMAINS));
    putInt(S + SysctlLayout.POOL_ID, 1);
    assertEquals(-Errno.ENOENT, sysctl(SysctlLayout.CPUPOOL_OP));
  }

  @Test
  void whatIsWrittenToTheMachinesConsoleIsReadFromItOnce() {
    putLong(SCRATCH, 0x6F6C6C65_48L); // Hello
    assertEquals(0, guest.hypercall(HypercallNumber.CONSOLE_IO, 0, 5, SCRATCH));
    clear(ARG);
    clear(BUFFER);
    putLong(S + SysctlLayout.CONSOLE_BUFFER, BUFFER);
    putInt(S + SysctlLayout.CONSOLE_COUNT, 4096);
    assertEquals(0, sysctl(SysctlLayout.READ_CONSOLE));
    assertEquals(5, getInt(S + SysctlLayout.CONSOLE_COUNT));
    assertEquals(0x6F6C6C65_48L, getLong(BUFFER));
    int index = getInt(S + SysctlLayout.CONSOLE_INDEX);
    putInt(S + SysctlLayout.CONSOLE_CLEAR, 1 << 8); // incremental
    putInt(S + SysctlLayout.CONSOLE_COUNT, 4096);
    assertEquals(0, sysctl(SysctlLayout.READ_CONSOLE));
    assertEquals(0, getInt(S + SysctlLayout.CONSOLE_COUNT));
    assertEquals(index, getInt(S + SysctlLayout.CONSOLE_INDEX));
    assertEquals(-Errno.E2BIG, guest.hypercall(HypercallNumber.CONSOLE_IO, 0, -1, SCRATCH));
    assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.CONSOLE_IO, 0, 1, 1L << 40));
  }

  @Test
  void aPrivilegedGuestPassesOnTheIoMemoryAndPortsThatItHas() {
    int domid = machine.build(1).domid();
    long frame = machine.hypervisor().frames() + 5;
    clear(ARG);
    putLong(U, frame);
    putLong(U + 8, 2);
    putInt(U + 16, 1);
    assertEquals(-Errno.EPERM, domctl(DomctlLayout.IOMEM_PERMISSION, domid), "not its own");
    machine.control().permitIoMemory(manager.domid(), frame, 4, true);
    assertEquals(0, domctl(DomctlLayout.IOMEM_PERMISSION, domid));
    assertTrue(machine.hypervisor().domain(domid).mmu().io().permitsMemory(frame, 2));
    assertEquals(-Errno.ESRCH, domctl(DomctlLayout.IOMEM_PERMISSION, 999));
    putInt(U + 16, 0);
    assertEquals(0, domctl(DomctlLayout.IOMEM_PERMISSION, domid));
    assertFalse(machine.hypervisor().domain(domid).mmu().io().hasAny());
    putLong(U, 0);
    assertEquals(-Errno.EPERM, domctl(DomctlLayout.IOMEM_PERMISSION, domid), "RAM is nobody's");
    clear(ARG);
    putInt(U, 0x3F8);
    putInt(U + 4, 8);
    putInt(U + 8, 1);
    assertEquals(-Errno.EPERM, domctl(DomctlLayout.IOPORT_PERMISSION, domid));
    machine.control().permitIoPorts(manager.domid(), 0x3F8, 8, true);
    assertEquals(0, domctl(DomctlLayout.IOPORT_PERMISSION, domid));
    assertTrue(machine.hypervisor().domain(domid).mmu().io().permitsPorts(0x3F8, 8));
  }
}
