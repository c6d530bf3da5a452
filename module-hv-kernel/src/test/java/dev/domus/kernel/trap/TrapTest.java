package dev.domus.kernel.trap;

import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.exception;
import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.syscall;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.Await;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** The frames that a guest kernel finds on its stack, against section 8 of the ABI. */
class TrapTest extends TrappingGuest {
  @Test
  void aFaultInTheKernelPushesErrorCodeAndClearsTheRplOfCs() {
    registerTrap(Vector.GP, TrapState.MASK_EVENTS, HANDLER);
    vcpu.setUpcallMask(0);
    CpuState s =
        guest.step(c -> {
          c.gpr[CpuState.RCX] = 0x1111;
          c.gpr[CpuState.R11] = 0x2222;
          c.gpr[CpuState.RSP] = TinyMachine.STACK - 8; // to be aligned down
          c.rip = 0x4321;
          c.rflags = CpuState.RFLAGS_ALWAYS | CpuState.CF | CpuState.DF | CpuState.NT;
          return exception(c, Vector.GP, 0x18, 0);
        });
    assertEquals(HANDLER, s.rip);
    assertEquals(TinyMachine.STACK - 16 - 64, s.gpr[CpuState.RSP]);
    assertEquals(0x1111, stack(0), "RCX");
    assertEquals(0x2222, stack(1), "R11");
    assertEquals(0x18, stack(2), "error code");
    assertEquals(0x4321, stack(3), "RIP");
    assertEquals(0xE030, stack(4), "CS without RPL; the mask was 0");
    assertEquals(
        CpuState.RFLAGS_ALWAYS | CpuState.CF | CpuState.DF | CpuState.NT,
        stack(5),
        "RFLAGS, IF on");
    assertEquals(TinyMachine.STACK - 8, stack(6), "RSP");
    assertEquals(0xE02B, stack(7), "SS");
    assertEquals(1, vcpu.upcallMask(), "the gate masks events");
    assertEquals(0, s.rflags & CpuState.NT, "NT is cleared on entry");
    assertEquals(CpuState.DF, s.rflags & CpuState.DF, "DF is not");
  }

  @Test
  void theSavedFlagsShowTheVirtualInterruptFlag() {
    registerTrap(Vector.UD, 0, HANDLER);
    vcpu.setUpcallMask(1);
    guest.step(c -> exception(c, Vector.UD, 0, 0));
    assertEquals(0, stack(4) & CpuState.IF, "IF is off, the mask being 1");
    assertEquals(1, stack(3) >>> 32 & 0xFF, "the old mask beside CS");
    assertEquals(1, vcpu.upcallMask(), "a gate without the mask bit leaves the mask");
  }

  @Test
  void aPageFaultSetsBothCr2AndHidesTheUserBitFromTheKernel() {
    registerTrap(Vector.PF, 0, HANDLER);
    guest.step(c -> exception(c, Vector.PF, 0x1F, 0xDEAD000));
    assertEquals(0x13, stack(2), "write, present and fetch stay; user and reserved go");
    long cr2 =
        machine
            .hypervisor()
            .memory()
            .get(ValueLayout.JAVA_LONG, vcpu.vcpuInfo() + SharedInfoLayout.CR2);
    assertEquals(0xDEAD000, cr2);
  }

  @Test
  void aFaultInUserModeIsTakenOnTheKernelStackWithTheUserBit() {
    registerTrap(Vector.PF, 0, HANDLER);
    enterUser(0x7000);
    CpuState s = guest.step(c -> exception(c, Vector.PF, 0x4, 0x5555000));
    assertTrue(vcpu.kernelMode());
    assertEquals(KERNEL_STACK - 64, s.gpr[CpuState.RSP]);
    assertEquals(4, stack(2));
    assertEquals(0x7000, stack(3));
    assertEquals(USER_CS, stack(4) & 0xFFFF, "CS keeps RPL 3");
    assertEquals(USER_STACK, stack(6));
  }

  @Test
  void iretRestoresRcxAndR11UnlessItReturnsFromASystemCall() {
    iret(0x7770, 0xE030, 0x246, TinyMachine.STACK, 0xE02B, 0);
    CpuState s = vcpu.state();
    assertTrue(vcpu.kernelMode());
    assertEquals(0x7770, s.rip);
    assertEquals(0xE033, s.cs);
    assertEquals(0xA1, s.gpr[CpuState.RAX]);
    assertEquals(0xB2, s.gpr[CpuState.R11]);
    assertEquals(0xC3, s.gpr[CpuState.RCX]);
    assertEquals(0, vcpu.upcallMask(), "IF in the frame opens events");
    iret(0x7770, 0xE030, 0x46, TinyMachine.STACK, 0xE02B, 0x100);
    assertEquals(0x7770, s.gpr[CpuState.RCX]);
    assertEquals(0x246, s.gpr[CpuState.R11], "IF is always on in the real flags");
    assertEquals(1, vcpu.upcallMask());
  }

  @Test
  void gsBasesAreExchangedBetweenKernelAndUser() {
    guest.step(c -> {
      c.gsBase = 0x1000;
      vcpu.setInactiveGsBase(0x2000);
      return Exit.BUDGET;
    });
    enterUser(0x7000);
    assertEquals(0x2000, vcpu.state().gsBase);
    registeredSyscallReturnsToKernelGs();
  }

  private void registeredSyscallReturnsToKernelGs() {
    vcpu.traps().setCallback(TrapState.CALLBACK_SYSCALL, HANDLER, true);
    CpuState s = guest.step(c -> syscall(c, 42));
    assertEquals(0x1000, s.gsBase);
    assertEquals(HANDLER, s.rip);
    assertEquals(42, s.gpr[CpuState.RAX], "the system call's number is the guest's");
    assertEquals(s.gpr[CpuState.RCX], stack(0));
    assertEquals(stack(0), stack(2), "RIP is what SYSCALL left in RCX");
    assertEquals(0xE033, stack(3) & 0xFFFF);
  }

  @Test
  void aSystemCallWithoutCallbackIsAnInvalidOpcodeAtTheSyscall() {
    registerTrap(Vector.UD, 0, HANDLER);
    enterUser(0x7000);
    guest.step(c -> syscall(c, 42));
    assertEquals(0x7000, stack(2));
  }

  @Test
  void intNGoesThroughTheVirtualGateIfItsDplPermits() {
    registerTrap(0x80, 3, HANDLER);
    enterUser(0x7000);
    guest.step(c -> exception(c, Vector.GP, 0x80 << 3 | 2, 0));
    assertEquals(0x7002, stack(2), "RIP after the INT");
    assertEquals(HANDLER, vcpu.state().rip);
  }

  @Test
  void intNThroughAGateOfTooLowDplIsAGeneralProtectionFaultAtTheInt() {
    registerTrap(Vector.GP, 0, HANDLER);
    registerTrap(0x21, 0, HANDLER + 0x100);
    enterUser(0x7000);
    guest.step(c -> exception(c, Vector.GP, 0x21 << 3 | 2, 0));
    assertEquals(HANDLER, vcpu.state().rip);
    assertEquals(0x21 << 3 | 2, stack(2));
    assertEquals(0x7000, stack(3));
  }

  @Test
  void deviceNotAvailableClearsTheTaskSwitchedBit() {
    registerTrap(Vector.NM, 0, HANDLER);
    assertEquals(0, guest.hypercall(HypercallNumber.FPU_TASKSWITCH, 1));
    assertEquals(CpuState.CR0_TS, vcpu.state().cr0 & CpuState.CR0_TS);
    CpuState s = guest.step(c -> exception(c, Vector.NM, 0, 0));
    assertEquals(0, s.cr0 & CpuState.CR0_TS);
  }

  @Test
  void anEventIsDeliveredOnceAndMasksFurtherOnes() {
    registerCallback(TrapState.CALLBACK_EVENT, HANDLER);
    int port = domain.events().bindIpi(0);
    vcpu.setUpcallMask(1);
    assertEquals(0, domain.events().send(port));
    long before = guest.step(c -> Exit.BUDGET).rip;
    assertEquals(before, vcpu.state().rip, "masked: nothing happens");
    CpuState s =
        guest.step(c -> {
          vcpu.setUpcallMask(0);
          return Exit.BUDGET;
        });
    assertEquals(HANDLER, s.rip);
    assertEquals(before, stack(2));
    assertEquals(1, vcpu.upcallMask());
  }

  @Test
  void anNmiGoesThroughTheGateOfItsVectorThoughEventsAreMasked() {
    registerTrap(Vector.NMI, 0, HANDLER);
    vcpu.setUpcallMask(1);
    CpuState s = guest.step(c -> syscall(c, HypercallNumber.VCPU_OP, 11, 0, 0));
    assertEquals(HANDLER, s.rip);
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.VCPU_OP, 11, 0, SCRATCH));
    registerCallback(TrapState.CALLBACK_NMI, HANDLER + 0x100);
    long rip = guest.step(c -> syscall(c, HypercallNumber.VCPU_OP, 11, 0, 0)).rip;
    assertTrue(rip != HANDLER + 0x100, "not while one is being handled");
    iret(0x7770, 0xE030, 0x46, TinyMachine.STACK, 0xE02B, 0);
    assertEquals(HANDLER + 0x100, vcpu.state().rip, "the callback is the same gate");
  }

  @Test
  void setCallbacksTakesCanonicalAddressesOnlyAndNoFlags() {
    vcpu.traps().setCallback(TrapState.CALLBACK_SYSCALL, HANDLER, true);
    assertEquals(0, guest.hypercall(HypercallNumber.SET_CALLBACKS, 1L << 60, HANDLER, HANDLER + 8));
    assertEquals(0, vcpu.traps().eventCallback, "as it was");
    assertEquals(HANDLER + 8, vcpu.traps().syscallCallback);
    assertFalse(vcpu.traps().syscallMasks);
  }

  @Test
  void withArchitecturalIoplTheKernelMayUseEveryGate() {
    registerTrap(Vector.GP, 0, HANDLER);
    registerTrap(0x21, 0, HANDLER + 0x100);
    assertEquals(
        HANDLER, guest.step(c -> exception(c, Vector.GP, 0x21 << 3 | 2, 0)).rip, "DPL 0: refused");
    assertEquals(0, guest.hypercall(HypercallNumber.VM_ASSIST, 0, VmAssist.ARCHITECTURAL_IOPL));
    assertEquals(HANDLER + 0x100, guest.step(c -> exception(c, Vector.GP, 0x21 << 3 | 2, 0)).rip);
  }

  @Test
  void iretChecksTheSelectorsOfTheNewContext() {
    registerTrap(Vector.GP, 0, HANDLER);
    iret(0x7770, 0xE033 & ~3, 0x46, TinyMachine.STACK, 0, 0);
    assertEquals(HANDLER, vcpu.state().rip);
    assertEquals(0, stack(2), "a null SS");
    assertEquals(0x7770, stack(3), "the new context is the interrupted one");
    iret(1L << 47, 0xE033 & ~3, 0x46, TinyMachine.STACK, 0xE02B, 0);
    assertEquals(HANDLER, vcpu.state().rip);
    assertEquals(1L << 47, stack(3), "a target that is not canonical");
  }

  @Test
  void iretAttachesThePageOfTheLdtThatItNeeds() {
    long ldt = 20 << 12;
    guest.step(c -> {
      vcpu.guest().putLong(ldt + 8, 0x00AF_FB00_0000_FFFFL);
      vcpu.guest().putLong(SCRATCH, 13); // SET_LDT
      vcpu.guest().putLong(SCRATCH + 8, ldt);
      vcpu.guest().putLong(SCRATCH + 16, 2);
      return Exit.BUDGET;
    });
    long readOnly = Pte.of(machine.control().mfn(domain.domid(), 20), Pte.P | Pte.U | Pte.A);
    assertEquals(0, guest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, ldt, readOnly, 2));
    assertEquals(0, guest.hypercall(HypercallNumber.MMUEXT_OP, SCRATCH, 1, 0, Domid.SELF));
    iret(0x7770, 1 << 3 | 4, 0x46, TinyMachine.STACK, 0xE02B, 0);
    assertEquals(0x7770, vcpu.state().rip);
    assertEquals(1 << 3 | 4 | 3, vcpu.state().cs);
  }

  @Test
  void anExceptionWithoutHandlerCrashesTheDomainWithAReport() {
    guest.submit(c -> exception(c, Vector.PF, 6, 0x123456789000L));
    Await.until("it has crashed", () -> domain.info().state() == DomainInfo.State.SHUTDOWN);
    assertEquals(DomainInfo.CRASH, domain.info().shutdownReason());
    String report = domain.crashReport();
    assertTrue(report.contains("unhandled #PF"), report);
    assertTrue(report.contains("0x0000123456789000"), report);
    assertTrue(report.contains("L4["), report);
    assertTrue(report.contains("Code:"), report);
  }

  @Test
  void aFrameThatCannotBeWrittenCrashesOnlyThatDomain() {
    Domain other = machine.start();
    registerTrap(Vector.UD, 0, HANDLER);
    guest.submit(c -> {
      c.gpr[CpuState.RSP] = 0xFFFF_8000_0000_1000L; // the hypervisor's range
      return exception(c, Vector.UD, 0, 0);
    });
    Await.until("it has crashed", () -> domain.shutdownReason() == DomainInfo.CRASH);
    assertEquals(4 << 16 | 17, machine.engine().vcpu(1).hypercall(HypercallNumber.XEN_VERSION, 0));
    assertEquals(-1, other.shutdownReason());
  }

  @Test
  void aGuestThatFaultsForEverWithoutRetiringAnythingKeepsToItsSlice() {
    Domain other = machine.start();
    registerTrap(Vector.UD, 0, HANDLER);
    guest.storm(c -> {
      c.gpr[CpuState.RSP] = TinyMachine.STACK;
      return exception(c, Vector.UD, 0, 0);
    });
    ScriptedVcpu neighbour = machine.engine().vcpu(1);
    for (int i = 0; i < 3; i++) {
      assertEquals(4 << 16 | 17, neighbour.hypercall(HypercallNumber.XEN_VERSION, 0));
      assertEquals(0, neighbour.hypercall(HypercallNumber.SCHED_OP, 0, 0), "yield to the storm");
    }
    assertEquals("", faults(), "and no scheduler was blamed");
    assertEquals(-1, other.shutdownReason());
  }

  private String faults() {
    StringBuilder all = new StringBuilder();
    machine.hypervisor().dispatcher().faults().forEach(all::append);
    return all.toString();
  }
}
