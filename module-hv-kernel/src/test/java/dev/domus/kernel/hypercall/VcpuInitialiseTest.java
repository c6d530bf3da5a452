package dev.domus.kernel.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.kernel.trap.VmAssist;
import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How a kernel sets up another of its vCPUs (xen-pv-abi.md, 3.6 and 11.2). */
class VcpuInitialiseTest {
  private static final long CONTEXT = 6 << 12;
  private static final long BAD = 1L << 47;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Domain domain;
  private Vcpu vcpu;
  private Vcpu second;
  private ScriptedVcpu guest;

  @BeforeEach
  void start() {
    domain = machine.build(2);
    machine.control().unpause(domain.domid());
    vcpu = domain.vcpu(0);
    second = domain.vcpu(1);
    guest = machine.engine().vcpu(0);
    put(VcpuGuestContextLayout.FLAGS, VcpuGuestContextLayout.IN_KERNEL);
    put(VcpuGuestContextLayout.CTRLREG + 24, vcpu.kernelTable() << 12);
    put(VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RIP, 0x5000);
    put(VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_CS, 0xE033);
    put(VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_SS, 0xE02B);
    put(VcpuGuestContextLayout.GS_BASE_KERNEL, 0x1000);
    put(VcpuGuestContextLayout.GS_BASE_USER, 0x2000);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private void put(long offset, long value) {
    vcpu.guest().putLong(CONTEXT + offset, value);
  }

  private long initialise() {
    return guest.hypercall(HypercallNumber.VCPU_OP, 0, 1, CONTEXT);
  }

  @Test
  void theContextIsTakenOverOnce() {
    put(VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RFLAGS, 0x1000);
    put(VcpuGuestContextLayout.DEBUGREG, 0x4444);
    put(VcpuGuestContextLayout.TRAPS + 16L * 14 + 8, 0x8000); // the entry's vector says 0
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.VCPU_OP, 1, 1), "up: too early");
    assertEquals(0, initialise());
    assertTrue(second.kernelMode());
    assertEquals(0x1000, second.state().gsBase);
    assertEquals(0x4444, second.state().dr[0]);
    assertEquals(0xFFFF0FF0L, second.state().dr[6], "reserved bits");
    assertEquals(0x8000, second.traps().address(14));
    assertEquals(CpuState.RFLAGS_ALWAYS, second.state().rflags);
    assertFalse(second.online());
    assertEquals(-Errno.EEXIST, initialise());
    assertEquals(
        -Errno.EFAULT,
        guest.hypercall(HypercallNumber.VCPU_OP, 0, 1, 1L << 40),
        "reading comes before looking");
  }

  @Test
  void ioplOfTheFlagsBecomesTheVirtualOne() {
    put(VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RFLAGS, 0x1000);
    assertEquals(0, initialise());
    assertTrue(second.kernelMode() && !domain.assist(VmAssist.ARCHITECTURAL_IOPL));
    assertEquals(1, second.traps().iopl(), "or CLI would fault on the vCPU, and Linux uses it");
  }

  @Test
  void addressesHaveToBeCanonical() {
    long[] fields = {
      VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RIP,
      VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RSP,
      VcpuGuestContextLayout.KERNEL_SP,
      VcpuGuestContextLayout.FS_BASE,
      VcpuGuestContextLayout.GS_BASE_KERNEL,
      VcpuGuestContextLayout.GS_BASE_USER,
      VcpuGuestContextLayout.EVENT_CALLBACK,
      VcpuGuestContextLayout.FAILSAFE_CALLBACK,
      VcpuGuestContextLayout.SYSCALL_CALLBACK,
      VcpuGuestContextLayout.TRAPS + 16L * 255 + 8,
      VcpuGuestContextLayout.LDT_BASE,
    };
    for (long field : fields) {
      long before = vcpu.guest().getLong(CONTEXT + field);
      put(field, BAD);
      assertEquals(-Errno.EINVAL, initialise(), "offset=" + field);
      put(field, before);
    }
    assertEquals(0, initialise());
  }

  @Test
  void whatDebugRegistersMayNotHoldIsLeftOut() {
    put(VcpuGuestContextLayout.DEBUGREG, BAD);
    put(VcpuGuestContextLayout.DEBUGREG + 8, 0xFFFF_8000_0000_0000L); // XSA-444
    put(VcpuGuestContextLayout.DEBUGREG + 16, 0x5000);
    put(VcpuGuestContextLayout.DEBUGREG + 48, 1L << 32);
    put(VcpuGuestContextLayout.DEBUGREG + 56, 1 << 13); // GD
    assertEquals(0, initialise());
    assertEquals(0, second.state().dr[0]);
    assertEquals(0, second.state().dr[1]);
    assertEquals(0x5000, second.state().dr[2]);
    assertEquals(0xFFFF0FF0L, second.state().dr[6]);
    assertEquals(0x400, second.state().dr[7]);
  }

  @Test
  void aContextMaySayThatTheVcpuIsUp() {
    put(
        VcpuGuestContextLayout.FLAGS,
        VcpuGuestContextLayout.IN_KERNEL | VcpuGuestContextLayout.ONLINE);
    assertEquals(0, initialise());
    assertEquals(1, guest.hypercall(HypercallNumber.VCPU_OP, 3, 1), "is_up");
    assertEquals(0, guest.hypercall(HypercallNumber.VCPU_OP, 1, 1), "up: it is");
    assertEquals(
        4 << 16 | 17,
        machine.engine().vcpu(1).hypercall(HypercallNumber.XEN_VERSION, 0),
        "it runs");
  }

  @Test
  void tablesHaveAsManyDescriptorsAsTheirNumbersSay() {
    for (long field :
        new long[] {VcpuGuestContextLayout.LDT_ENTRIES, VcpuGuestContextLayout.GDT_ENTRIES}) {
      put(field, 1L << 32);
      assertEquals(-Errno.EINVAL, initialise(), "all 64 bits count: offset=" + field);
      put(field, 8193);
      assertEquals(-Errno.EINVAL, initialise(), "offset=" + field);
      put(field, 0);
    }
    assertEquals(0, initialise());
  }

  @Test
  void assistsThatDoNotExistAreOfNoConcernOfAnotherVcpu() {
    put(VcpuGuestContextLayout.VM_ASSIST, -1);
    assertEquals(0, initialise());
    assertEquals(0, domain.assists(), "they are the first vCPU's to say");
  }

  @Test
  void aContextThatIsRefusedAfterItsTablesWereValidatedLeavesNothingOfThemInUse() {
    try (TinyMachine impatient = new TinyMachine(TestSchedulers.impatient(), 1)) {
      Domain d = impatient.build(2);
      impatient.control().unpause(d.domid());
      ScriptedVcpu caller = impatient.engine().vcpu(0);
      FrameTable frames = impatient.hypervisor().machineFrames().table();
      long l4 = d.mmu().p2m().mfn(20);
      for (int pfn = 20; pfn < 23; pfn++) { // an L4, an L3 and an L2, with an empty L1 below
        long entry = Pte.of(d.mmu().p2m().mfn(pfn), Pte.P | Pte.U);
        assertEquals(0, caller.hypercall(HypercallNumber.UPDATE_VA_MAPPING, pfn << 12, entry, 0));
        long below = Pte.of(d.mmu().p2m().mfn(pfn + 1), Pte.P | Pte.U);
        impatient
            .hypervisor()
            .memory()
            .set(ValueLayout.JAVA_LONG, d.mmu().p2m().mfn(pfn) << 12, below);
      }
      assertEquals(
          0,
          caller.hypercall(
              HypercallNumber.UPDATE_VA_MAPPING,
              23 << 12,
              Pte.of(d.mmu().p2m().mfn(23), Pte.P | Pte.U),
              0));
      Vcpu v = d.vcpu(0);
      v.guest().putLong(CONTEXT + VcpuGuestContextLayout.FLAGS, VcpuGuestContextLayout.IN_KERNEL);
      v.guest().putLong(CONTEXT + VcpuGuestContextLayout.CTRLREG + 24, l4 << 12);
      v.guest().putLong(CONTEXT + VcpuGuestContextLayout.GDT_ENTRIES, 512);
      v.guest().putLong(CONTEXT + VcpuGuestContextLayout.GDT_FRAMES, l4);
      for (int i = 0; i < 300; i++) {
        assertEquals(
            -Errno.EINVAL, caller.hypercall(HypercallNumber.VCPU_OP, 0, 1, CONTEXT), "no GDT");
        for (int pfn = 20; pfn < 24; pfn++) {
          assertEquals(0, frames.typeCount(d.mmu().p2m().mfn(pfn)), "round " + i + " pfn " + pfn);
        }
      }
      assertTrue(caller.continued() > 0);
    }
  }

  @Test
  void theUsersTableShowsTheM2pUnlessTheGuestWantsItStrict() {
    for (boolean strict : new boolean[] {false, true}) {
      try (TinyMachine fresh = new TinyMachine(TestSchedulers.roundRobin(), 1)) {
        Domain d = fresh.build(2);
        fresh.control().unpause(d.domid());
        ScriptedVcpu caller = fresh.engine().vcpu(0);
        long user = d.mmu().p2m().mfn(20);
        long readOnly = Pte.of(user, Pte.P | Pte.U);
        assertEquals(0, caller.hypercall(HypercallNumber.UPDATE_VA_MAPPING, 20 << 12, readOnly, 0));
        assertEquals(0, caller.hypercall(HypercallNumber.VM_ASSIST, strict ? 0 : 1, 32));
        Vcpu v = d.vcpu(0);
        v.guest().putLong(CONTEXT + VcpuGuestContextLayout.CTRLREG + 24, v.kernelTable() << 12);
        v.guest().putLong(CONTEXT + VcpuGuestContextLayout.CTRLREG + 8, user << 12);
        assertEquals(0, caller.hypercall(HypercallNumber.VCPU_OP, 0, 1, CONTEXT));
        long slot = fresh.hypervisor().memory().get(ValueLayout.JAVA_LONG, (user << 12) + 8 * 256);
        assertEquals(strict, slot == 0);
      }
    }
  }

  @Test
  void userModeNeedsAUserTable() {
    put(VcpuGuestContextLayout.FLAGS, 0);
    assertEquals(-Errno.EINVAL, initialise());
    put(VcpuGuestContextLayout.CTRLREG + 8, vcpu.kernelTable() << 12);
    assertEquals(0, initialise());
    assertFalse(second.kernelMode());
    assertEquals(0x2000, second.state().gsBase);
    assertEquals(0x1000, second.inactiveGsBase());
  }

  @Test
  void oneVcpuMayRegisterTheTimeAreaOfAnother() {
    vcpu.guest().putLong(CONTEXT, 7 << 12);
    assertEquals(0, guest.hypercall(HypercallNumber.VCPU_OP, 13, 1, CONTEXT));
    assertEquals(2, vcpu.guest().getInt(7 << 12), "an even version");
  }
}
