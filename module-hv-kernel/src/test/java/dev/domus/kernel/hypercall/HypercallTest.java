package dev.domus.kernel.hypercall;

import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.exception;
import static dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu.syscall;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.Await;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.kernel.trap.Vector;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Hypercalls through the whole path from guest mode and back, against the ABI. */
class HypercallTest {
  private static final long ARG = 6 << 12;
  private static final int POLL = 3, BLOCK = 1, SHUTDOWN = 2;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Domain domain;
  private Vcpu vcpu;
  private ScriptedVcpu guest;

  @BeforeEach
  void start() {
    domain = machine.start();
    vcpu = domain.vcpu(0);
    guest = machine.engine().vcpu(0);
    guest.hypercall(HypercallNumber.VCPU_OP, 7, 0); // no periodic timer
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private void store(long... words) {
    for (int i = 0; i < words.length; i++) {
      vcpu.guest().putLong(ARG + 8L * i, words[i]);
    }
  }

  @Test
  void versionIsTheAbisAndOtherRegistersSurvive() {
    CpuState s =
        guest.step(c -> {
          c.gpr[CpuState.RBX] = 77;
          c.gpr[CpuState.R9] = 99;
          return syscall(c, HypercallNumber.XEN_VERSION, 0, 0, 11, 12, 13);
        });
    assertEquals(4 << 16 | 17, s.gpr[CpuState.RAX]);
    assertEquals(77, s.gpr[CpuState.RBX]);
    assertEquals(99, s.gpr[CpuState.R9]);
    assertEquals(11, s.gpr[CpuState.RDX]);
    assertEquals(12, s.gpr[CpuState.R10]);
    assertEquals(13, s.gpr[CpuState.R8]);
    assertEquals(s.rip, s.gpr[CpuState.RCX]);
  }

  @Test
  void whatIsNotThereAnswersEnosysAndIsCounted() {
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.TMEM_OP, 1));
    assertEquals(-Errno.ENOSYS, guest.hypercall(63));
    assertEquals(-Errno.ENOSYS, guest.hypercall(64));
    assertEquals(-Errno.ENOSYS, guest.hypercall(-1));
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.XEN_VERSION, 50));
    assertTrue(domain.counters().list().contains(new CallCount("tmem_op", 1, 1)));
    assertTrue(domain.counters().list().contains(new CallCount("xen_version/50", 1, 1)));
    assertTrue(domain.counters().list().contains(new CallCount("number-out-of-range", 2, 2)));
  }

  @Test
  void pointersIntoTheHypervisorsRangeOrNowhereAreBadAddresses() {
    for (long bad :
        new long[] {
          0xFFFF_8000_0000_0000L,
          0xFFFF_87FF_FFFF_FFF8L,
          0xFFFF_8800_0000_0000L - 4,
          0x0000_7FFF_FFFF_FFFCL,
          0x0000_8000_0000_0000L,
          0x4000_0000L,
          -4
        }) {
      assertEquals(
          -Errno.EFAULT,
          guest.hypercall(HypercallNumber.XEN_VERSION, 5, bad),
          "pointer 0x" + Long.toHexString(bad));
    }
  }

  @Test
  void aResultIsNotStoredOverAReadOnlyPage() {
    long pageTable = 3 << 12;
    assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.XEN_VERSION, 3, pageTable));
    assertEquals(0, vcpu.guest().getLong(pageTable + 8L * 100) & 0xFF, "and nothing of it is");
  }

  @Test
  void aMulticallStoresEachResultAndEndsWithIret() {
    store(
        HypercallNumber.XEN_VERSION,
        7777,
        0,
        0,
        0,
        0,
        0,
        0, // entry 0
        63,
        7777,
        0,
        0,
        0,
        0,
        0,
        0, // entry 1
        HypercallNumber.IRET,
        7777,
        0,
        0,
        0,
        0,
        0,
        0, // entry 2
        HypercallNumber.XEN_VERSION,
        7777,
        0,
        0,
        0,
        0,
        0,
        0); // entry 3
    long frame = 7 << 12;
    long[] iret = {0xDEAD, 1, 2, 0, 0x5000, 0xE033 & ~3, 0x202, TinyMachine.STACK, 0xE02B};
    for (int i = 0; i < iret.length; i++) {
      vcpu.guest().putLong(frame + 8L * i, iret[i]);
    }
    CpuState s =
        guest.step(c -> {
          c.gpr[CpuState.RSP] = frame;
          return syscall(c, HypercallNumber.MULTICALL, ARG, 4);
        });
    while (s.rip != 0x5000 && s.gpr[CpuState.RAX] == HypercallNumber.MULTICALL) { // preempted
      s = guest.step(c -> syscall(c, HypercallNumber.MULTICALL));
    }
    assertEquals(0xDEAD, s.gpr[CpuState.RAX], "RAX is the iret frame's");
    assertEquals(0x5000, s.rip);
    assertEquals(4 << 16 | 17, vcpu.guest().getLong(ARG + 8));
    assertEquals(-Errno.ENOSYS, vcpu.guest().getLong(ARG + 64 + 8));
    assertEquals(7777, vcpu.guest().getLong(ARG + 128 + 8), "iret stores no result");
    assertEquals(7777, vcpu.guest().getLong(ARG + 192 + 8), "and what follows is not done");
  }

  @Test
  void aMulticallInsideAMulticallIsRefused() {
    store(HypercallNumber.MULTICALL, 0, ARG, 1, 0, 0, 0, 0);
    assertEquals(0, guest.hypercall(HypercallNumber.MULTICALL, ARG, 1));
    assertEquals(-Errno.EINVAL, vcpu.guest().getLong(ARG + 8));
  }

  @Test
  void whatFollowsABlockInAMulticallWaitsUntilTheVcpuIsWoken() {
    int port = domain.events().bindIpi(0);
    store(
        HypercallNumber.SCHED_OP,
        7777,
        BLOCK,
        0,
        0,
        0,
        0,
        0, // entry 0
        HypercallNumber.XEN_VERSION,
        7777,
        0,
        0,
        0,
        0,
        0,
        0); // entry 1
    vcpu.traps().setCallbacks(0x9000, 0, 0);
    CompletableFuture<CpuState> calls =
        guest.submit(c -> syscall(c, HypercallNumber.MULTICALL, ARG, 2));
    Await.until("the vCPU sleeps", () -> vcpu.guest().getLong(ARG + 8) == 0);
    Await.until("off its pCPU", () -> vcpu.unit().runningOn() < 0);
    assertEquals(7777, vcpu.guest().getLong(ARG + 64 + 8), "not yet");
    domain.events().send(port);
    assertEquals(0x9000, calls.join().rip, "the event first; the call is begun again after it");
    assertEquals(ARG + 64, calls.join().gpr[CpuState.RDI]);
    assertEquals(1, calls.join().gpr[CpuState.RSI]);
  }

  @Test
  void pollReturnsForADeliverableEventBeforeItLooksAtThePorts() {
    int port = domain.events().bindIpi(0);
    store(500);
    vcpu.guest().putLong(ARG + 64, ARG);
    vcpu.guest().putLong(ARG + 72, 1);
    vcpu.guest().putLong(ARG + 80, 0);
    vcpu.traps().setCallbacks(0x9000, 0, 0);
    CpuState s =
        guest.step(c -> {
          domain.events().send(port);
          vcpu.setUpcallMask(0);
          return syscall(c, HypercallNumber.SCHED_OP, POLL, ARG + 64);
        });
    assertEquals(0, s.gpr[CpuState.RAX]);
    assertEquals(0x9000, s.rip);
  }

  @Test
  void argumentsOf32BitsAreTakenAsSuchWhateverIsAboveThem() {
    long dirt = 0xABCD_0000_0000_0000L;
    assertEquals(1, guest.hypercall(HypercallNumber.VCPU_OP, 3, dirt));
    assertEquals(0, guest.hypercall(HypercallNumber.VM_ASSIST, dirt, dirt | 5));
    assertEquals(0x400, guest.hypercall(HypercallNumber.GET_DEBUGREG, dirt | 7));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, dirt | 2, 0x1000));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_GDT, ARG, dirt));
    store(13, 0, dirt); // MMUEXT_SET_LDT: Linux leaves what was there before behind nr_ents
    assertEquals(0, guest.hypercall(HypercallNumber.MMUEXT_OP, ARG, 1, 0, 0x7FF0));
  }

  @Test
  void theHypervisorsConsoleIsClosedWhateverIsAsked() {
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.CONSOLE_IO, 0, 1L << 40, 1L << 40));
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.CONSOLE_IO, 77, 0, 0));
  }

  @Test
  void aBlockedVcpuIsWokenByAnEventAndAPolledPortWakesThoughMasked() {
    int port = domain.events().bindIpi(0);
    vcpu.setUpcallMask(1);
    store(port);
    vcpu.guest().putLong(ARG + 64, ARG);
    vcpu.guest().putLong(ARG + 72, 1);
    vcpu.guest().putLong(ARG + 80, 0);
    CompletableFuture<CpuState> poll =
        guest.submit(c -> syscall(c, HypercallNumber.SCHED_OP, POLL, ARG + 64));
    Await.until(
        "the vCPU sleeps", () -> vcpu.polledPorts().get(0) == port && vcpu.unit().runningOn() < 0);
    assertFalse(poll.isDone());
    assertEquals(0, domain.events().send(port));
    assertEquals(0, poll.join().gpr[CpuState.RAX]);
    assertEquals(1, vcpu.upcallMask(), "poll leaves the mask");
  }

  @Test
  void pollOfAPortThatWasNeverAllocatedIsAnError() {
    store(500);
    vcpu.guest().putLong(ARG + 64, ARG);
    vcpu.guest().putLong(ARG + 72, 1);
    vcpu.guest().putLong(ARG + 80, 0);
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.SCHED_OP, POLL, ARG + 64));
    vcpu.guest().putLong(ARG + 72, 129);
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.SCHED_OP, POLL, ARG + 64));
  }

  @Test
  void aSingleShotTimerWakesABlockedVcpuAtItsTime() {
    int port = domain.events().bindVirq(Virq.TIMER, 0);
    assertTrue(port > 0);
    guest.step(c -> {
      store(4, 0x9000);
      return syscall(c, HypercallNumber.SET_CALLBACKS, 0x9000, 0, 0);
    });
    long deadline = machine.hypervisor().clock().systemNanos() + 5_000_000;
    assertEquals(0, guest.hypercall(HypercallNumber.SET_TIMER_OP, deadline));
    CpuState s = guest.step(c -> syscall(c, HypercallNumber.SCHED_OP, BLOCK, 0));
    assertTrue(machine.hypervisor().clock().systemNanos() >= deadline);
    assertEquals(0x9000, s.rip, "woken by the upcall");
    assertTrue(domain.events().isPending(port));
  }

  @Test
  void shutdownKeepsTheReasonAndTheVcpuNeverRunsAgain() {
    store(DomainInfo.REBOOT);
    guest.submit(c -> syscall(c, HypercallNumber.SCHED_OP, SHUTDOWN, ARG));
    Await.until("it is off", () -> domain.shutdownReason() >= 0);
    assertEquals(DomainInfo.REBOOT, domain.info().shutdownReason());
    assertEquals(DomainInfo.State.SHUTDOWN, domain.info().state());
    Await.until("its vCPU is off its pCPU", () -> vcpu.unit().runningOn() < 0);
  }

  @Test
  void vcpuOpsOfANumberThatDoesNotExistAreEnoent() {
    assertEquals(1, guest.hypercall(HypercallNumber.VCPU_OP, 3, 0));
    assertEquals(-Errno.ENOENT, guest.hypercall(HypercallNumber.VCPU_OP, 3, 1));
    assertEquals(-Errno.ENOENT, guest.hypercall(HypercallNumber.VCPU_OP, 3, 8191));
    assertEquals(-Errno.ENOENT, guest.hypercall(HypercallNumber.VCPU_OP, 3, -1));
  }

  @Test
  void segmentBasesMustBeCanonical() {
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 0, 1L << 47));
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 4, 0));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 2, 0xFFFF_FFFF_8000_0000L));
    assertEquals(0xFFFF_FFFF_8000_0000L, vcpu.state().gsBase);
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 1, 0x1234));
    assertEquals(0x1234, vcpu.inactiveGsBase());
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 3, 0x53));
    assertEquals(0, vcpu.state().gs, "a selector that would fault becomes null");
  }

  @Test
  void breakpointsNeverPointIntoTheHypervisor() {
    assertEquals(
        -Errno.EPERM, guest.hypercall(HypercallNumber.SET_DEBUGREG, 0, 0xFFFF_8300_0000_0000L));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_DEBUGREG, 0, 0x5000));
    assertEquals(0x5000, guest.hypercall(HypercallNumber.GET_DEBUGREG, 0));
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.SET_DEBUGREG, 7, 1 << 13), "GD");
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.SET_DEBUGREG, 7, 0x20001), "I/O");
    assertEquals(0x400, guest.hypercall(HypercallNumber.GET_DEBUGREG, 7));
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.SET_DEBUGREG, 6, 1L << 32));
  }

  @Test
  void unprivilegedControlCallsAreRefusedByVersionThenByPrivilege() {
    store(0x0000_0014_0000_0001L);
    assertEquals(-Errno.EACCES, guest.hypercall(HypercallNumber.SYSCTL, ARG));
    store(0x0000_0015_0000_0001L);
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.SYSCTL, ARG));
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.DOMCTL, ARG));
    assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.DOMCTL, 1L << 40));
    long last = (long) TinyMachine.GUEST_PAGES << 12;
    assertEquals(
        -Errno.EFAULT,
        guest.hypercall(HypercallNumber.SYSCTL, last - 128),
        "the whole structure is read first");
  }

  // ---- emulated instructions

  /** Puts an instruction at 0x5000 and has it raise #GP(0), as the processor does at CPL 3. */
  private CpuState privileged(int... bytes) {
    return guest.step(c -> {
      for (int i = 0; i < bytes.length; i += 2) {
        int second = i + 1 < bytes.length ? bytes[i + 1] : 0x90;
        vcpu.guest().putShort(0x5000 + i, bytes[i] | second << 8);
      }
      c.rip = 0x5000;
      return exception(c, Vector.GP, 0, 0);
    });
  }

  @Test
  void controlRegistersReadAsThePvGuestExpects() {
    assertEquals(vcpu.kernelTable() << 12, privileged(0x0F, 0x20, 0xD8).gpr[CpuState.RAX], "CR3");
    assertEquals(0x5003, vcpu.state().rip);
    assertEquals(0x660, privileged(0x41, 0x0F, 0x20, 0xE0).gpr[CpuState.R8], "CR4 into R8");
  }

  @Test
  void cr4KeepsOnlyWhatAGuestMaySet() {
    guest.step(c -> {
      c.gpr[CpuState.RAX] = -1;
      return syscall(c, HypercallNumber.XEN_VERSION, 0);
    });
    guest.step(c -> {
      c.gpr[CpuState.RAX] = 0xFFFF_FFFFL;
      vcpu.guest().putInt(0x5000, 0x90E0_220F);
      c.rip = 0x5000;
      return exception(c, Vector.GP, 0, 0);
    });
    assertEquals(
        0x660 | CpuState.CR4_TSD | CpuState.CR4_DE | CpuState.CR4_FSGSBASE, vcpu.state().cr4);
  }

  @Test
  void msrsAreEmulatedAndUnknownOnesFault() {
    guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 2, 0x1_2345_6789L);
    guest.step(c -> {
      c.gpr[CpuState.RCX] = 0xC0000101L;
      vcpu.guest().putShort(0x5000, 0x320F);
      c.rip = 0x5000;
      return exception(c, Vector.GP, 0, 0);
    });
    assertEquals(0x2345_6789L, vcpu.state().gpr[CpuState.RAX]);
    assertEquals(1, vcpu.state().gpr[CpuState.RDX]);
  }

  @Test
  void forcedCpuidAnswersWithTheXenLeaves() {
    CpuState s =
        guest.step(c -> {
          int[] bytes = {0x0F, 0x0B, 'x', 'e', 'n', 0x0F, 0xA2, 0x90};
          for (int i = 0; i < bytes.length; i += 2) {
            vcpu.guest().putShort(0x5000 + i, bytes[i] | bytes[i + 1] << 8);
          }
          c.gpr[CpuState.RAX] = 0x40000000L;
          c.rip = 0x5000;
          return exception(c, Vector.UD, 0, 0);
        });
    assertEquals(0x5007, s.rip);
    assertEquals(0x40000005L, s.gpr[CpuState.RAX]);
    assertEquals(0x566E6558L, s.gpr[CpuState.RBX], "XenV");
    assertEquals(0x65584D4DL, s.gpr[CpuState.RCX], "MMXe");
    assertEquals(0x4D4D566EL, s.gpr[CpuState.RDX], "nVMM");
  }

  @Test
  void portsAreThereOnlyWithIopl() {
    guest.submit(c -> {
      vcpu.guest().putShort(0x5000, 0x90EC); // in al, dx
      c.gpr[CpuState.RDX] = 0x3F8;
      c.rip = 0x5000;
      return exception(c, Vector.GP, 0, 0);
    });
    Await.until("no handler, no IOPL: crash", () -> domain.shutdownReason() == DomainInfo.CRASH);
    assertTrue(domain.crashReport().contains("<ec>"), domain.crashReport());
  }

  @Test
  void withIoplPortsReadAsOnes() {
    store(1);
    assertEquals(0, guest.hypercall(HypercallNumber.PHYSDEV_OP, 6, ARG));
    guest.step(c -> {
      vcpu.guest().putShort(0x5000, 0x90EC);
      c.gpr[CpuState.RAX] = 0x1122;
      c.gpr[CpuState.RDX] = 0x3F8;
      c.rip = 0x5000;
      return exception(c, Vector.GP, 0, 0);
    });
    assertEquals(0x11FF, vcpu.state().gpr[CpuState.RAX]);
    assertEquals(0x5001, vcpu.state().rip);
  }
}
