package dev.domus.kernel.trap;

import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.exception;
import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.syscall;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Emulated instructions, against section 9 of the ABI. */
class PrivilegedInstructionTest {
  private static final long CODE = 0x5000, BUFFER = 6 << 12, HANDLER = 0x8000;
  private static final long UNMAPPED = (long) TinyMachine.GUEST_PAGES << 12;
  private static final int CS = 0xE033, SS = 0xE02B;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Vcpu vcpu;
  private ScriptedVcpu guest;

  @BeforeEach
  void start() {
    vcpu = machine.start().vcpu(0);
    guest = machine.engine().vcpu(0);
    guest.hypercall(HypercallNumber.VCPU_OP, 7, 0); // no periodic timer
    guest.step(c -> {
      for (int vector : new int[] {Vector.DB, Vector.UD, Vector.GP, Vector.PF}) {
        vcpu.traps().set(vector, 0, HANDLER + vector);
      }
      vcpu.traps().setIopl(1);
      return syscall(c, HypercallNumber.XEN_VERSION, 0);
    });
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private void put(long va, int... bytes) {
    for (int i = 0; i < bytes.length; i++) {
      vcpu.guest().putByte(va + i, bytes[i]);
    }
  }

  /** Has the vCPU stop with #GP(0) at an instruction. */
  private CpuState privileged(int... bytes) {
    return guest.step(c -> {
      put(CODE, bytes);
      c.rip = CODE;
      return exception(c, Vector.GP, 0, 0);
    });
  }

  private void set(int register, long value) {
    guest.step(c -> {
      c.gpr[register] = value;
      return Exit.BUDGET;
    });
  }

  private CpuState readMsr(int msr) {
    set(CpuState.RCX, msr & 0xFFFF_FFFFL);
    return privileged(0x0F, 0x32);
  }

  private CpuState writeMsr(int msr, long value) {
    set(CpuState.RCX, msr & 0xFFFF_FFFFL);
    set(CpuState.RAX, value & 0xFFFF_FFFFL);
    set(CpuState.RDX, value >>> 32);
    return privileged(0x0F, 0x30);
  }

  private long stack(int word) {
    return vcpu.guest().getLong(vcpu.state().gpr[CpuState.RSP] + 8L * word);
  }

  private void enterUser(long rip) {
    guest.step(c -> {
      vcpu.setUserTable(vcpu.kernelTable());
      vcpu.traps().setKernelStack(SS, TinyMachine.STACK);
      long[] frame = {0, 0, 0, 0, rip, CS, 0x202, 14 << 12, SS};
      long at = (12 << 12) - 8L * frame.length;
      for (int i = 0; i < frame.length; i++) {
        vcpu.guest().putLong(at + 8L * i, frame[i]);
      }
      c.gpr[CpuState.RSP] = at;
      return syscall(c, HypercallNumber.IRET);
    });
    assertFalse(vcpu.kernelMode());
  }

  @Test
  void whatIsTheHostsReadsAsZeroAndIsWrittenWithoutEffect() {
    for (int msr : new int[] {0x17B, 0x47F, 0x29F, 0xC001001F, 0xC0010041, 0xC0010042}) {
      CpuState after = readMsr(msr);
      assertEquals(CODE + 2, after.rip, Integer.toHexString(msr));
      assertEquals(0, after.gpr[CpuState.RAX] | after.gpr[CpuState.RDX]);
    }
    int[] written = {
      0xE7, 0xE8, 0x179, 0x17A, 0x47F, 0xC0010015, 0xC001001F, 0xC0010041, 0xC0010061, 0xC001006B
    };
    for (int msr : written) {
      assertEquals(CODE + 2, writeMsr(msr, 5).rip, Integer.toHexString(msr));
    }
    assertEquals(HANDLER + Vector.GP, readMsr(0xE7).rip, "not to be read");
    assertEquals(HANDLER + Vector.GP, writeMsr(0xC0000081, 5).rip, "STAR");
  }

  // ---- ports ----

  /** Gives user mode tables of its own, in which there is the code and nothing else. */
  private void giveUserTables() {
    long[] mfns = new long[4];
    for (int i = 0; i < 4; i++) {
      mfns[i] = vcpu.domain().mmu().p2m().mfn(20 + i);
      long readOnly = Pte.of(mfns[i], Pte.P | Pte.U);
      assertEquals(
          0, guest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, 20 + i << 12, readOnly, 0));
    }
    long code = vcpu.domain().mmu().p2m().mfn((int) (CODE >>> 12));
    for (int i = 0; i < 4; i++) {
      long below = Pte.of(i < 3 ? mfns[i + 1] : code, Pte.P | Pte.U);
      long place = (mfns[i] << 12) + (i < 3 ? 0 : 8 * (CODE >>> 12));
      machine.hypervisor().memory().set(ValueLayout.JAVA_LONG, place, below);
    }
    long newUserBasePointer = 15;
    vcpu.guest().putLong(BUFFER, newUserBasePointer);
    vcpu.guest().putLong(BUFFER + 8, mfns[0]);
    assertEquals(0, guest.hypercall(HypercallNumber.MMUEXT_OP, BUFFER, 1, 0, Domid.SELF));
  }

  @Test
  void theBitmapOfPortsIsTheKernelsWhateverUserModeHasMapped() {
    giveUserTables();
    long bitmap = 13 << 12;
    vcpu.guest().putLong(bitmap + 16, ~1L); // port 128
    vcpu.guest().putLong(BUFFER, bitmap);
    vcpu.guest().putLong(BUFFER + 8, 256);
    assertEquals(0, guest.hypercall(HypercallNumber.PHYSDEV_OP, 7, BUFFER));
    vcpu.traps().setIopl(0);
    put(CODE, 0xE6, 128, 0xE6, 129);
    guest.step(c -> {
      long[] frame = {0, 0, 0, 0, CODE, CS, 0x202, 14 << 12, SS};
      long at = (12 << 12) - 8L * frame.length;
      for (int i = 0; i < frame.length; i++) {
        vcpu.guest().putLong(at + 8L * i, frame[i]);
      }
      vcpu.traps().setKernelStack(SS, TinyMachine.STACK);
      c.gpr[CpuState.RSP] = at;
      return syscall(c, HypercallNumber.IRET);
    });
    assertFalse(vcpu.kernelMode());
    assertEquals(CODE + 2, guest.step(c -> exception(c, Vector.GP, 0, 0)).rip, "allowed");
    assertFalse(vcpu.kernelMode());
    assertEquals(HANDLER + Vector.GP, guest.step(c -> exception(c, Vector.GP, 0, 0)).rip);
  }

  @Test
  void repeatedInputFillsMemoryAndCountsDown() {
    set(CpuState.RDX, 0x3F8);
    set(CpuState.RDI, BUFFER);
    set(CpuState.RCX, 3);
    CpuState s = privileged(0xF3, 0x6C); // rep insb
    assertEquals(CODE + 2, s.rip);
    assertEquals(0, s.gpr[CpuState.RCX]);
    assertEquals(BUFFER + 3, s.gpr[CpuState.RDI]);
    assertEquals(0x00FF_FFFF, vcpu.guest().getInt(BUFFER), "nothing is there: ones, and no more");
  }

  @Test
  void aRepeatedOutputStopsAtThePageThatIsNotThere() {
    set(CpuState.RDX, 0x3F8);
    set(CpuState.RSI, UNMAPPED - 2);
    set(CpuState.RCX, 5);
    CpuState s = privileged(0xF3, 0x6E); // rep outsb
    assertEquals(HANDLER + Vector.PF, s.rip);
    assertEquals(3, s.gpr[CpuState.RCX], "two bytes are out");
    assertEquals(UNMAPPED, s.gpr[CpuState.RSI]);
    assertEquals(UNMAPPED, vcpu.traps().cr2);
    assertEquals(0, stack(2), "a read of a page that is not present");
    assertEquals(CODE, stack(3), "to be begun again");
  }

  @Test
  void aPortIsNoBusinessOfUserModeWithoutIopl() {
    put(CODE, 0x6C);
    enterUser(CODE);
    CpuState s = guest.step(c -> exception(c, Vector.GP, 0, 0));
    assertEquals(HANDLER + Vector.GP, s.rip);
  }

  @Test
  void theIndexOfTheClockIsALatch() {
    set(CpuState.RAX, 0x8A);
    privileged(0xE6, 0x70);
    assertEquals(0x0A, privileged(0xE4, 0x70).gpr[CpuState.RAX] & 0xFF);
    assertEquals(0xFF, privileged(0xE4, 0x71).gpr[CpuState.RAX] & 0xFF, "and no clock behind it");
  }

  // ---- CPUID ----

  private CpuState forced(long at) {
    return guest.step(c -> {
      c.rip = at;
      return exception(c, Vector.UD, 0, 0);
    });
  }

  @Test
  void aForcedPrefixThatEndsWithItsPageIsAPageFault() {
    long at = UNMAPPED - 4;
    guest.step(c -> {
      put(at, 0x0F, 0x0B, 'x', 'e');
      return Exit.BUDGET;
    });
    assertEquals(HANDLER + Vector.PF, forced(at).rip);
    assertEquals(UNMAPPED, vcpu.traps().cr2);
  }

  @Test
  void aForcedPrefixBeforeAnythingElseIsAnInvalidOpcode() {
    guest.step(c -> {
      put(CODE, 0x0F, 0x0B, 'x', 'e', 'n', 0x89, 0xC0);
      return Exit.BUDGET;
    });
    assertEquals(HANDLER + Vector.UD, forced(CODE).rip);
    assertEquals(CODE, stack(2));
  }

  @Test
  void cpuidFaultsInUserModeWhenTheKernelSaysSo() {
    assertEquals(1L << 31, readMsr(0xCE).gpr[CpuState.RAX], "offered");
    assertEquals(CODE + 2, writeMsr(0x140, 1).rip);
    assertEquals(1, readMsr(0x140).gpr[CpuState.RAX]);
    assertFalse(vcpu.state().cpuidFaults, "not in the kernel");
    guest.step(c -> {
      put(CODE, 0x0F, 0x0B, 'x', 'e', 'n', 0x0F, 0xA2);
      return Exit.BUDGET;
    });
    enterUser(CODE);
    assertTrue(vcpu.state().cpuidFaults);
    CpuState s = forced(CODE);
    assertEquals(HANDLER + Vector.GP, s.rip);
    assertEquals(CODE + 5, stack(3), "at the CPUID");
    assertFalse(vcpu.state().cpuidFaults, "back in the kernel");
    assertEquals(HANDLER + Vector.GP, writeMsr(0x140, 2).rip, "no other bit");
  }

  // ---- MSRs and debug registers ----

  @Test
  void thereAreTwoMachineCheckBanksWithNothingInThem() {
    assertEquals(2, readMsr(0x179).gpr[CpuState.RAX]);
    assertEquals(0, readMsr(0x405).gpr[CpuState.RAX]);
    assertEquals(CODE + 2, writeMsr(0x400, -1).rip);
    assertEquals(HANDLER + Vector.GP, readMsr(0x480).rip);
  }

  @Test
  void systemCallRegistersAreTheHypervisors() {
    for (int msr :
        new int[] {0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084, 0x174, 0x122, 0x800}) {
      assertEquals(HANDLER + Vector.GP, readMsr(msr).rip, Integer.toHexString(msr));
    }
  }

  @Test
  void anIoBreakpointNeedsDebugExtensionsEvenWhereItIsNotEnabled() {
    assertEquals(
        -Errno.EPERM,
        guest.hypercall(HypercallNumber.SET_DEBUGREG, 7, 1 | 2 << 20),
        "breakpoint 0 is enabled, breakpoint 1 is of the I/O kind");
    assertEquals(0, guest.hypercall(HypercallNumber.SET_DEBUGREG, 7, 0xFB00 & ~0x2000 | 1));
    assertEquals(0x0701, guest.hypercall(HypercallNumber.GET_DEBUGREG, 7), "reserved bits");
  }

  @Test
  void debugRegisters4And5AreAliasesUnlessDebugExtensionsAreOn() {
    assertEquals(0xFFFF_0FF0L, privileged(0x0F, 0x21, 0xE0).gpr[CpuState.RAX], "DR4 is DR6");
    guest.step(c -> {
      c.cr4 |= CpuState.CR4_DE;
      return Exit.BUDGET;
    });
    assertEquals(HANDLER + Vector.UD, privileged(0x0F, 0x21, 0xE0).rip);
    assertEquals(HANDLER + Vector.UD, privileged(0x0F, 0x23, 0xE8).rip);
    assertEquals(-Errno.ENODEV, guest.hypercall(HypercallNumber.GET_DEBUGREG, 5));
  }

  @Test
  void aSingleStepOverAnEmulatedInstructionTraps() {
    guest.step(c -> {
      c.rflags |= CpuState.TF;
      return Exit.BUDGET;
    });
    CpuState s = privileged(0xFA); // cli
    assertEquals(HANDLER + Vector.DB, s.rip);
    assertEquals(CODE + 1, stack(2));
    assertEquals(DebugRegisters.BS, s.dr[6] & DebugRegisters.BS);
  }

  @Test
  void aPortIsADevicesForWhoHasTheRightToIt() {
    List<String> log = new ArrayList<>();
    IoClaim claim =
        machine
            .hypervisor()
            .ioClaims(0)
            .claimPorts(
                0x70, // where the clock's index register is for everybody else
                8,
                new IoHandler() {
                  @Override
                  public long load(long offset, int size) {
                    log.add("in %d %d".formatted(offset, size));
                    return 0x12345678;
                  }

                  @Override
                  public void store(long offset, int size, long value) {
                    log.add("out %d %d %x".formatted(offset, size, value));
                  }
                });
    set(CpuState.RAX, 0x5A);
    privileged(0xE6, 0x70); // out 0x70, al
    assertEquals(0x5A, privileged(0xE4, 0x70).gpr[CpuState.RAX] & 0xFF);
    assertEquals(List.of(), log);
    machine.control().permitIoPorts(vcpu.domain().domid(), 0x70, 4, true);
    assertEquals(0x78, privileged(0xE4, 0x70).gpr[CpuState.RAX] & 0xFF);
    assertEquals(0x12345678, privileged(0xE5, 0x70).gpr[CpuState.RAX]); // in eax, 0x70
    set(CpuState.RAX, 0xABCD);
    privileged(0x66, 0xE7, 0x72); // out 0x72, ax
    privileged(0xE5, 0x72); // in eax, 0x72: beyond the right
    assertEquals(0xFFFF_FFFFL, vcpu.state().gpr[CpuState.RAX]);
    assertEquals(List.of("in 0 1", "in 0 4", "out 2 2 abcd"), log);
    claim.close();
    assertEquals(0x5A, privileged(0xE4, 0x70).gpr[CpuState.RAX] & 0xFF);
  }
}
