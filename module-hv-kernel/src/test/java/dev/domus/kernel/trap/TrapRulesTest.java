package dev.domus.kernel.trap;

import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.exception;
import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.syscall;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.Await;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The rules of sections 8 and 9.1 of the ABI that are not about the shape of one frame. */
class TrapRulesTest extends TrappingGuest {
  private void crashes(Function<CpuState, Exit> step, String why) {
    guest.submit(step);
    Await.until("it has crashed", () -> domain.shutdownReason() == DomainInfo.CRASH);
    assertTrue(domain.crashReport().contains(why), domain.crashReport());
  }

  // ---- set_trap_table

  private long setTraps(long... vectorsAndHandlers) {
    return guest.step(
            c -> {
              for (int i = 0; i < vectorsAndHandlers.length; i++) {
                vcpu.guest().putLong(SCRATCH + 8L * i, vectorsAndHandlers[i]);
              }
              vcpu.guest().putLong(SCRATCH + 8L * vectorsAndHandlers.length, 0);
              vcpu.guest().putLong(SCRATCH + 8L * vectorsAndHandlers.length + 8, 0);
              return syscall(c, HypercallNumber.SET_TRAP_TABLE, SCRATCH);
            })
        .gpr[CpuState.RAX];
  }

  @Test
  void setTrapTableReplacesWhatItNamesAndANullPointerClearsAll() {
    assertEquals(0, setTraps(Vector.UD, HANDLER, Vector.GP, HANDLER + 8));
    assertEquals(0, setTraps(Vector.GP, HANDLER + 16));
    assertEquals(HANDLER, vcpu.traps().address(Vector.UD));
    assertEquals(HANDLER + 16, vcpu.traps().address(Vector.GP));
    assertEquals(-Errno.EINVAL, setTraps(Vector.UD, 1L << 47));
    assertEquals(HANDLER, vcpu.traps().address(Vector.UD));
    assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.SET_TRAP_TABLE, 1L << 40));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_TRAP_TABLE, 0));
    for (int vector = 0; vector < 256; vector++) {
      assertEquals(0, vcpu.traps().address(vector));
    }
  }

  // ---- callbacks

  private long callback(int operation, int type, long handler) {
    return guest.step(
            c -> {
              vcpu.guest().putLong(SCRATCH, type | 1 << 16);
              vcpu.guest().putLong(SCRATCH + 8, handler);
              return syscall(c, HypercallNumber.CALLBACK_OP, operation, SCRATCH);
            })
        .gpr[CpuState.RAX];
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0, -22",
    "1, 0, -22",
    "2, 0, -22",
    "4, 0, 0",
    "5, 0, -22",
    "7, 0, -22", // those there are
    "3, -38, -38",
    "6, -38, -38",
    "8, -38, -38",
    "65535, -38, -38"
  })
  void callbacksAreRegisteredByTypeAndOnlyTheNmisUnregistered(
      int type, long registered, long unregistered) {
    assertEquals(registered, callback(0, type, HANDLER));
    assertEquals(-Errno.EINVAL, callback(0, type, 1L << 47), "not canonical");
    assertEquals(unregistered, callback(1, type, 0));
    assertEquals(-Errno.ENOSYS, callback(2, type, HANDLER));
    assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.CALLBACK_OP, 0, 1L << 40));
  }

  @Test
  void theNmiIsRegisteredAndUnregisteredByItsOwnHypercallToo() {
    guest.step(c -> {
      vcpu.guest().putLong(SCRATCH, HANDLER);
      return syscall(c, HypercallNumber.NMI_OP, 0, SCRATCH);
    });
    assertEquals(HANDLER, vcpu.traps().address(Vector.NMI));
    assertEquals(0, guest.hypercall(HypercallNumber.NMI_OP, 1, 0));
    assertEquals(0, vcpu.traps().address(Vector.NMI));
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.NMI_OP, 2, 0));
    guest.step(c -> {
      vcpu.guest().putLong(SCRATCH, 1L << 47);
      return syscall(c, HypercallNumber.NMI_OP, 0, SCRATCH);
    });
    assertEquals(-Errno.EINVAL, vcpu.state().gpr[CpuState.RAX]);
  }

  @Test
  void anNmiWithoutHandlerIsDropped() {
    long rip = vcpu.state().rip;
    CpuState s = guest.step(c -> syscall(c, HypercallNumber.VCPU_OP, 11, 0, 0));
    assertEquals(rip + 2, s.rip);
    assertFalse(vcpu.traps().nmiDeliverable());
  }

  @Test
  void anUpcallWithoutCallbackCrashesTheDomain() {
    int port = domain.events().bindIpi(0);
    crashes(
        c -> {
          domain.events().send(port);
          vcpu.setUpcallMask(0);
          return Exit.BUDGET;
        },
        "without a registered event callback");
  }

  // ---- exceptions

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 30})
  void theVectorsOfTheManualThatHaveAnErrorCodePushOne(int vector) {
    boolean has = vector >= 10 && vector <= 14 || vector == 17 || vector == 21;
    registerTrap(vector, 0, HANDLER);
    long before = vcpu.state().gpr[CpuState.RSP];
    CpuState s =
        guest.step(c -> {
          c.rip = 0x4321;
          return exception(c, vector, 0x18, 0);
        });
    assertEquals(HANDLER, s.rip);
    assertEquals((before & ~15L) - (has ? 64 : 56), s.gpr[CpuState.RSP]);
    assertEquals(0x4321, stack(has ? 3 : 2));
  }

  @ParameterizedTest
  @ValueSource(ints = {Vector.BP, Vector.OF})
  void int3AndIntoAreDeliveredWhateverDplTheirGatesHave(int vector) {
    registerTrap(vector, 0, HANDLER);
    enterUser(0x7000);
    guest.step(c -> exception(c, vector, 0, 0));
    assertEquals(HANDLER, vcpu.state().rip);
  }

  @Test
  void intNThroughAGateThatIsNotThereIsAGeneralProtectionFault() {
    registerTrap(Vector.GP, 0, HANDLER);
    guest.step(c -> {
      c.rip = 0x4321;
      return exception(c, Vector.GP, 0x80 << 3 | 2, 0);
    });
    assertEquals(0x402, stack(2), "XSA-259");
    assertEquals(0x4321, stack(3), "at the INT");
  }

  @Test
  void debugStatusIsAddedToTheVirtualDr6() {
    registerTrap(Vector.DB, 0, HANDLER);
    assertEquals(0, guest.hypercall(HypercallNumber.SET_DEBUGREG, 6, 2));
    guest.step(c -> {
      c.exitDebugStatus = 1 | DebugRegisters.BS;
      return exception(c, Vector.DB, 0, 0);
    });
    assertEquals(
        0xFFFF_0FF0L | 3 | DebugRegisters.BS, guest.hypercall(HypercallNumber.GET_DEBUGREG, 6));
  }

  @Test
  void theSavedFlagsHaveTheVirtualIoplOnlyUnderArchitecturalIopl() {
    registerTrap(Vector.UD, 0, HANDLER);
    vcpu.traps().setIopl(3);
    guest.step(c -> exception(c, Vector.UD, 0, 0));
    assertEquals(0, stack(4) & CpuState.IOPL);
    assertEquals(0, guest.hypercall(HypercallNumber.VM_ASSIST, 0, VmAssist.ARCHITECTURAL_IOPL));
    guest.step(c -> exception(c, Vector.UD, 0, 0));
    assertEquals(CpuState.IOPL, stack(4) & CpuState.IOPL);
  }

  // ---- system calls

  @Test
  void aSystemCallClearsDirectionOnlyInTheNewFlagsAndMasksIfAsked() {
    vcpu.traps().setCallback(TrapState.CALLBACK_SYSCALL, HANDLER, true);
    enterUser(0x7000);
    vcpu.setUpcallMask(0);
    CpuState s =
        guest.step(c -> {
          c.rflags |= CpuState.DF | CpuState.CF;
          return syscall(c, 42);
        });
    assertEquals(CpuState.DF, stack(4) & CpuState.DF, "as the user had it");
    assertEquals(CpuState.CF, s.rflags & (CpuState.DF | CpuState.CF));
    assertEquals(1, vcpu.upcallMask());
    assertEquals(USER_STACK, stack(5));
    assertEquals(0xE02B, stack(6), "the fixed SS");
  }

  // ---- iret

  @Test
  void iretToUserModeWithoutAUserTableCrashes() {
    guest.submit(c -> {
      iretFrame(c, 0x7000, USER_CS);
      return syscall(c, HypercallNumber.IRET);
    });
    Await.until("it has crashed", () -> domain.shutdownReason() == DomainInfo.CRASH);
    assertTrue(domain.crashReport().contains("without a user page table"), domain.crashReport());
  }

  private void iretFrame(CpuState c, long rip, long cs) {
    long[] frame = {0, 0, 0, 0, rip, cs, 0x246, USER_STACK, USER_SS};
    long at = KERNEL_STACK - 8L * frame.length;
    for (int i = 0; i < frame.length; i++) {
      vcpu.guest().putLong(at + 8L * i, frame[i]);
    }
    c.gpr[CpuState.RSP] = at;
  }

  @Test
  void iretFromAFrameThatCannotBeReadCrashes() {
    crashes(
        c -> {
          c.gpr[CpuState.RSP] = 1L << 40;
          return syscall(c, HypercallNumber.IRET);
        },
        "iret frame not readable");
  }

  @Test
  void iretTakesTheIoplOfTheFrameOnlyUnderArchitecturalIopl() {
    iret(0x7770, 0xE030, 0x3246, KERNEL_STACK, 0xE02B, 0);
    assertEquals(0, vcpu.traps().iopl());
    assertEquals(0, vcpu.state().rflags & CpuState.IOPL);
    assertEquals(0, guest.hypercall(HypercallNumber.VM_ASSIST, 0, VmAssist.ARCHITECTURAL_IOPL));
    iret(0x7770, 0xE030, 0x3246, KERNEL_STACK, 0xE02B, 0);
    assertEquals(3, vcpu.traps().iopl());
    assertEquals(0, vcpu.state().rflags & CpuState.IOPL, "the real one is always 0");
  }

  @Test
  void iretFromASystemCallTakesTheFlatSelectors() {
    iret(0x7770, 0x10, 0x246, KERNEL_STACK, 0x18, 0x100);
    assertEquals(TrapState.FLAT_KERNEL_CS, vcpu.state().cs);
    assertEquals(TrapState.FLAT_KERNEL_SS, vcpu.state().ss);
  }

  @Test
  void anEventThatIretOpensIsDeliveredBeforeTheNextInstruction() {
    registerCallback(TrapState.CALLBACK_EVENT, HANDLER);
    int port = domain.events().bindIpi(0);
    vcpu.setUpcallMask(1);
    assertEquals(0, domain.events().send(port));
    iret(0x7770, 0xE030, 0x246, KERNEL_STACK, 0xE02B, 0);
    assertEquals(HANDLER, vcpu.state().rip);
    assertEquals(0x7770, stack(2));
  }

  // ---- privileged instructions

  @ParameterizedTest
  @CsvSource({
    "hlt, F4", "lgdt [rax], 0F0110", "lidt [rax], 0F0118", "ltr ax, 0F00D8", "lldt ax, 0F00D0",
    "lmsw ax, 0F01F0", "invlpg [rax], 0F0138", "sysret, 480F07", "sysexit, 0F35", "swapgs, 0F01F8",
    "invd, 0F08", "mov cr8, 440F22C0", "mov from cr8, 440F20C0", "lock cli, F0FA", "rdpmc, 0F33"
  })
  void whatIsNotEmulatedIsTheGuestsGeneralProtectionFault(String name, String code) {
    registerTrap(Vector.GP, 0, HANDLER);
    vcpu.traps().setIopl(3);
    int[] bytes = new int[code.length() / 2];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = Integer.parseInt(code.substring(2 * i, 2 * i + 2), 16);
    }
    assertEquals(HANDLER, privileged(bytes).rip, name);
    assertEquals(0, stack(2));
    assertEquals(CODE, stack(3));
  }

  @ParameterizedTest
  @CsvSource({
    "clts, 0F06, 2",
    "wbinvd, 0F09, 2",
    "wbnoinvd, F30F09, 3",
    "mov from cr0, 0F20C0, 3",
    "mov from cr3, 0F20D8, 3",
    "mov from cr4, 0F20E0, 3",
    "mov from dr7, 0F21F8, 3",
    "rdmsr, 0F32, 2"
  })
  void whatTheKernelMayDoUserModeMayNot(String name, String code, int length) {
    registerTrap(Vector.GP, 0, HANDLER);
    int[] bytes = new int[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = Integer.parseInt(code.substring(2 * i, 2 * i + 2), 16);
    }
    set(CpuState.RCX, 0xC0000100L);
    assertEquals(CODE + length, privileged(bytes).rip, name);
    enterUser(CODE);
    set(CpuState.RCX, 0xC0000100L);
    assertEquals(HANDLER, privileged(bytes).rip, name + " in user mode");
    assertEquals(0, stack(2));
  }

  @Test
  void cliAndStiNeedIoplAndChangeNoInterruptFlag() {
    registerTrap(Vector.GP, 0, HANDLER);
    vcpu.setUpcallMask(0);
    assertEquals(HANDLER, privileged(0xFA).rip, "IOPL 0");
    vcpu.traps().setIopl(1);
    assertEquals(CODE + 1, privileged(0xFA).rip);
    assertEquals(0, vcpu.upcallMask());
    assertEquals(CODE + 1, privileged(0xFB).rip);
    enterUser(CODE);
    assertEquals(HANDLER, privileged(0xFA).rip, "user mode needs 3");
    vcpu.traps().setIopl(3);
    enterUser(CODE);
    assertEquals(CODE + 1, privileged(0xFA).rip);
  }

  @Test
  void clearingTaskSwitchedAndWritingCr0ChangeNothingElse() {
    registerTrap(Vector.GP, 0, HANDLER);
    assertEquals(0, guest.hypercall(HypercallNumber.FPU_TASKSWITCH, 1));
    assertEquals(0x8005003BL, privileged(0x0F, 0x20, 0xC0).gpr[CpuState.RAX], "with TS");
    privileged(0x0F, 0x06); // clts
    assertEquals(0x80050033L, privileged(0x0F, 0x20, 0xC0).gpr[CpuState.RAX]);
    set(CpuState.RAX, 0x8005003BL);
    assertEquals(CODE + 3, privileged(0x0F, 0x22, 0xC0).rip);
    assertEquals(CpuState.CR0_TS, vcpu.state().cr0 & CpuState.CR0_TS);
    set(CpuState.RAX, 0x80050033L & ~(1L << 16)); // without WP
    assertEquals(HANDLER, privileged(0x0F, 0x22, 0xC0).rip);
    assertEquals(0x8005003BL, vcpu.state().cr0);
  }

  @Test
  void cr2IsTheVirtualOneAndCr3ABasePointer() {
    registerTrap(Vector.GP, 0, HANDLER);
    set(CpuState.RAX, 0x1234_5678);
    assertEquals(CODE + 3, privileged(0x0F, 0x22, 0xD0).rip);
    assertEquals(0x1234_5678, vcpu.traps().cr2);
    set(CpuState.RAX, 0);
    assertEquals(0x1234_5678, privileged(0x0F, 0x20, 0xD0).gpr[CpuState.RAX]);
    long root = vcpu.kernelTable() << 12;
    set(CpuState.RAX, root);
    assertEquals(CODE + 3, privileged(0x0F, 0x22, 0xD8).rip);
    set(CpuState.RAX, root + (1 << 12)); // the table below it
    assertEquals(HANDLER, privileged(0x0F, 0x22, 0xD8).rip);
    assertEquals(root, vcpu.kernelTable() << 12);
  }

  // ---- I/O bitmap

  private long setIobitmap(long bitmap, int ports) {
    return guest.step(
            c -> {
              vcpu.guest().putLong(SCRATCH + 64, bitmap);
              vcpu.guest().putLong(SCRATCH + 72, ports);
              return syscall(c, HypercallNumber.PHYSDEV_OP, 7, SCRATCH + 64);
            })
        .gpr[CpuState.RAX];
  }

  @Test
  void theIoBitmapGivesPortsToUserModeBitByBit() {
    registerTrap(Vector.GP, 0, HANDLER);
    long bitmap = 9 << 12;
    assertEquals(-Errno.EINVAL, setIobitmap(bitmap, 65537));
    guest.step(c -> {
      put(bitmap, 0xFF, 0b1111_0000); // ports 8 to 11 are the guest's
      return Exit.BUDGET;
    });
    assertEquals(0, setIobitmap(bitmap, 16));
    for (int port = 7; port < 13; port++) {
      long expected = port >= 8 && port <= 11 ? CODE + 2 : HANDLER;
      assertEquals(expected, inUserMode(0xE4, port).rip, "in al, " + port);
    }
    assertEquals(CODE + 2, inUserMode(0xE5, 8).rip, "in eax, 8");
    assertEquals(HANDLER, inUserMode(0xE5, 9).rip, "in eax, 9 reaches port 12");
    assertEquals(HANDLER, inUserMode(0xE4, 16).rip, "beyond the bitmap");
    assertEquals(0, setIobitmap(1L << 40, 65536));
    assertEquals(HANDLER, inUserMode(0xE4, 8).rip, "a bitmap that cannot be read permits nothing");
  }

  private CpuState inUserMode(int... bytes) {
    if (vcpu.kernelMode()) {
      enterUser(CODE);
    }
    return privileged(bytes);
  }

  @Test
  void ioplIsZeroToThree() {
    for (int iopl = 0; iopl <= 4; iopl++) {
      int level = iopl;
      guest.step(c -> {
        vcpu.guest().putLong(SCRATCH, level);
        return syscall(c, HypercallNumber.PHYSDEV_OP, 6, SCRATCH);
      });
      assertEquals(iopl <= 3 ? 0 : -Errno.EINVAL, vcpu.state().gpr[CpuState.RAX]);
      assertEquals(Math.min(iopl, 3), vcpu.traps().iopl());
    }
  }

  // ---- MSRs

  private CpuState readMsr(long msr) {
    set(CpuState.RCX, msr);
    return privileged(0x0F, 0x32);
  }

  private CpuState writeMsr(long msr, long value) {
    set(CpuState.RCX, msr);
    set(CpuState.RAX, value & 0xFFFF_FFFFL);
    set(CpuState.RDX, value >>> 32);
    return privileged(0x0F, 0x30);
  }

  @ParameterizedTest
  @CsvSource({
    "1B, FEE00900", "277, 50100070406", "C0000080, D01", "C0011029, 2", "17A, 0", "1D9, 0",
    "C0010015, 0", "C0010007, 0", "C0010200, 0", "C0010061, 0", "8B, 0", "40000000, 0"
  })
  void theseRegistersHaveTheseValues(String msr, String value) {
    registerTrap(Vector.GP, 0, HANDLER);
    CpuState s = readMsr(Long.parseLong(msr, 16));
    assertEquals(CODE + 2, s.rip);
    assertEquals(Long.parseLong(value, 16), s.gpr[CpuState.RAX] | s.gpr[CpuState.RDX] << 32);
  }

  @ParameterizedTest
  @CsvSource({
    "C0000100, 7FFFFFFFFFFF, true",
    "C0000100, 800000000000, false",
    "C0000101, 800000000000, false",
    "C0000102, 800000000000, false",
    "C0000103, FFFFFFFF, true",
    "C0000103, 100000000, false",
    "C0000080, D01, true",
    "C0000080, D00, false",
    "C0010007, 5, true",
    "C0011029, 0, true",
    "C0010015, 0, true",
    "1B, FEE00900, false",
    "10, 0, false",
    "277, 50100070406, false",
    "40000001, 0, false",
    "400000FF, 0, false"
  })
  void theseWritesAreTakenAndTheOthersFault(String msr, String value, boolean taken) {
    registerTrap(Vector.GP, 0, HANDLER);
    long rip = writeMsr(Long.parseLong(msr, 16), Long.parseLong(value, 16)).rip;
    assertEquals(taken ? CODE + 2 : HANDLER, rip);
  }

  @Test
  void beforeThereIsAHandlerAnMsrThatIsNotThereIsFaked() {
    set(CpuState.RAX, 7);
    CpuState s = readMsr(0xC0000081L);
    assertEquals(CODE + 2, s.rip);
    assertEquals(0, s.gpr[CpuState.RAX]);
    assertEquals(CODE + 2, writeMsr(0xC0000081L, 7).rip);
  }

  @Test
  void theHypercallPageIsWrittenThroughItsRegister() {
    registerTrap(Vector.GP, 0, HANDLER);
    long page = 20;
    long maddr = machine.control().mfn(domain.domid(), page) << 12;
    assertEquals(CODE + 2, writeMsr(0x40000000L, maddr).rip);
    assertEquals(0x51, vcpu.guest().getByte(page << 12), "push rcx, as the stubs begin");
    assertEquals(HANDLER, writeMsr(0x40000000L, maddr | 1).rip, "there is one page");
    assertEquals(HANDLER, writeMsr(0x40000000L, vcpu.kernelTable() << 12).rip, "a page table");
    assertEquals(HANDLER, writeMsr(0x40000000L, 1L << 50).rip, "no frame");
  }

  // ---- time and CPUID

  @Test
  void timeStampsAreReadByBothModesAndTheForcedCpuidWorksInUserMode() {
    registerTrap(Vector.UD, 0, HANDLER);
    assertEquals(CODE + 2, privileged(0x0F, 0x31).rip);
    enterUser(CODE);
    assertEquals(CODE + 2, privileged(0x0F, 0x31).rip);
    CpuState before = privileged(0x0F, 0x01, 0xF9);
    assertEquals(CODE + 3, before.rip);
    long first = before.gpr[CpuState.RAX] | before.gpr[CpuState.RDX] << 32;
    CpuState after = privileged(0x0F, 0x01, 0xF9);
    assertTrue((after.gpr[CpuState.RAX] | after.gpr[CpuState.RDX] << 32) > first);
    set(CpuState.RAX, 0x40000001L);
    CpuState s =
        guest.step(c -> {
          put(CODE, 0x0F, 0x0B, 'x', 'e', 'n', 0x0F, 0xA2);
          c.rip = CODE;
          return exception(c, Vector.UD, 0, 0);
        });
    assertEquals(CODE + 7, s.rip);
    assertEquals(0x00040011L, s.gpr[CpuState.RAX], "version 4.17");
  }
}
