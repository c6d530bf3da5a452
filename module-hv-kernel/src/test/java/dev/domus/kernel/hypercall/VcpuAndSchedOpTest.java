package dev.domus.kernel.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.Await;
import dev.domus.kernel.dispatch.RunstateInfo;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * vcpu_op, sched_op and timers rule by rule (xen-pv-abi.md, section 11), in a guest of two vCPUs.
 */
class VcpuAndSchedOpTest {
  private static final long ARG = 6 << 12;
  private static final long AREA = 7 << 12;
  private static final int UP = 1, DOWN = 2, IS_UP = 3, RUNSTATE = 4, RUNSTATE_AREA = 5;
  private static final int PERIODIC = 6, STOP_PERIODIC = 7, SINGLESHOT = 8, STOP_SINGLESHOT = 9;
  private static final int VCPU_INFO = 10, SEND_NMI = 11, PHYSID = 12, TIME_AREA = 13;
  private static final int SHUTDOWN = 2, POLL = 3, REMOTE_SHUTDOWN = 4, SHUTDOWN_CODE = 5;
  private static final int WATCHDOG = 6, PIN_OVERRIDE = 7;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Domain domain;
  private Vcpu vcpu;
  private ScriptedVcpu guest;

  @BeforeEach
  void start() {
    domain = machine.build(2);
    machine.control().unpause(domain.domid());
    vcpu = domain.vcpu(0);
    guest = machine.engine().vcpu(0);
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

  private long vcpuOp(int command, int id, long arg) {
    return guest.hypercall(HypercallNumber.VCPU_OP, command, id, arg);
  }

  private long schedOp(int command, long arg) {
    return guest.hypercall(HypercallNumber.SCHED_OP, command, arg);
  }

  private long now() {
    return machine.hypervisor().clock().systemNanos();
  }

  @Test
  void aVcpuThatDoesNotExistIsEnoentWhateverIsAsked() {
    for (int command = 0; command < 14; command++) {
      assertEquals(-Errno.ENOENT, vcpuOp(command, 2, ARG));
      assertEquals(-Errno.ENOENT, vcpuOp(command, -1, ARG));
    }
    assertEquals(-Errno.ENOSYS, vcpuOp(50, 0, ARG));
  }

  @Test
  void whatIsNotInitialisedCannotBeBroughtUp() {
    assertEquals(0, vcpuOp(IS_UP, 1, 0));
    assertEquals(-Errno.EINVAL, vcpuOp(UP, 1, 0));
    assertEquals(0, vcpuOp(DOWN, 1, 0), "it is down already");
    assertTrue(domain.mayRun());
    assertEquals(0, vcpuOp(UP, 0, 0), "it is up already");
    assertEquals(-Errno.EINVAL, vcpuOp(PHYSID, 0, ARG));
  }

  @Test
  void theLastVcpuToGoDownPowersOff() {
    guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.VCPU_OP, DOWN, 0));
    Await.until("it is off", () -> domain.shutdownReason() == DomainInfo.POWEROFF);
  }

  @Test
  void nmisAreSentWithoutArgument() {
    assertEquals(-Errno.EINVAL, vcpuOp(SEND_NMI, 1, ARG));
    assertEquals(0, vcpuOp(SEND_NMI, 1, 0));
    assertTrue(domain.vcpu(1).traps().nmiDeliverable());
    assertFalse(domain.vcpu(1).online(), "one that is down keeps it");
  }

  @Test
  void periodsAreAMillisecondOrMoreAndAnybodysToSet() {
    store(999_999);
    assertEquals(-Errno.EINVAL, vcpuOp(PERIODIC, 0, ARG));
    store(1_000_000);
    assertEquals(0, vcpuOp(PERIODIC, 1, ARG));
    store((1L << 62) - 1);
    assertEquals(0, vcpuOp(PERIODIC, 0, ARG));
    for (long beyond : new long[] {1L << 62, Long.MAX_VALUE, -1}) {
      store(beyond);
      assertEquals(-Errno.EINVAL, vcpuOp(PERIODIC, 0, ARG));
    }
    assertEquals(0, vcpuOp(STOP_PERIODIC, 0, 0));
    assertEquals(0, vcpuOp(STOP_PERIODIC, 1, 0));
  }

  @Test
  void singleShotTimersAreTheCallersOwn() {
    store(now() + 1_000_000_000L, 0);
    assertEquals(-Errno.EINVAL, vcpuOp(SINGLESHOT, 1, ARG));
    assertEquals(-Errno.EINVAL, vcpuOp(STOP_SINGLESHOT, 1, 0));
    assertEquals(0, vcpuOp(STOP_SINGLESHOT, 0, 0));
    store(1, 1);
    assertEquals(-Errno.ETIME, vcpuOp(SINGLESHOT, 0, ARG), "past, and only the future was wanted");
  }

  @Test
  void aDeadlineInThePastFiresAtOnce() {
    assertEquals(0, vcpuOp(STOP_PERIODIC, 0, 0));
    int port = domain.events().bindVirq(Virq.TIMER, 0);
    for (long past : new long[] {1, -1, Long.MIN_VALUE}) {
      store(past, 0);
      assertEquals(0, vcpuOp(SINGLESHOT, 0, ARG));
      Await.until("it has fired", () -> domain.events().isPending(port));
      domain.events().close(port);
      assertEquals(port, domain.events().bindVirq(Virq.TIMER, 0));
    }
  }

  /** Deadlines are compared by difference: a guest's must not put the queue out of order. */
  @Test
  void deadlinesBeyondAllMeasureKeepNobodyElsesTimerBack() {
    assertEquals(0, vcpuOp(STOP_PERIODIC, 0, 0));
    Domain other = machine.start();
    ScriptedVcpu otherGuest = machine.engine().vcpu(2);
    assertEquals(0, otherGuest.hypercall(HypercallNumber.VCPU_OP, STOP_PERIODIC, 0, 0));
    int port = other.events().bindVirq(Virq.TIMER, 0);
    int own = domain.events().bindVirq(Virq.TIMER, 0);
    store(Long.MAX_VALUE, 0);
    assertEquals(0, vcpuOp(SINGLESHOT, 0, ARG));
    assertEquals(0, otherGuest.hypercall(HypercallNumber.SET_TIMER_OP, now() + 2_000_000));
    Await.until("the other's timer has fired", () -> other.events().isPending(port));
    assertFalse(domain.events().isPending(own));
  }

  @Test
  void setTimerOpWithNonsenseFiresInATenthOfASecond() {
    assertEquals(0, vcpuOp(STOP_PERIODIC, 0, 0));
    int port = domain.events().bindVirq(Virq.TIMER, 0);
    for (long nonsense : new long[] {-5, now() + (1L << 51)}) {
      long before = now();
      assertEquals(0, guest.hypercall(HypercallNumber.SET_TIMER_OP, nonsense));
      Await.until("it has fired", () -> domain.events().isPending(port));
      assertTrue(now() - before >= 100_000_000);
      domain.events().close(port);
      assertEquals(port, domain.events().bindVirq(Virq.TIMER, 0));
    }
    assertEquals(0, guest.hypercall(HypercallNumber.SET_TIMER_OP, 0));
  }

  @Test
  void aRunstateAreaOfAnotherVcpuIsWrittenAtOnce() {
    vcpu.guest().putInt(AREA, 77);
    store(AREA);
    assertEquals(0, vcpuOp(RUNSTATE_AREA, 1, ARG));
    assertEquals(3, vcpu.guest().getInt(AREA), "offline");
    store(AREA + 64);
    assertEquals(0, vcpuOp(RUNSTATE_AREA, 0, ARG));
    assertEquals(0, vcpu.guest().getInt(AREA + 64), "running");
    store(0x1000_0000L); // canonical, and nothing there
    assertEquals(0, vcpuOp(RUNSTATE_AREA, 1, ARG));
    store(0xFFFF_8000_0000_0000L);
    assertEquals(-Errno.EFAULT, vcpuOp(RUNSTATE_AREA, 1, ARG));
    assertEquals(0, vcpuOp(RUNSTATE, 1, AREA));
    assertEquals(3, vcpu.guest().getInt(AREA));
  }

  /** Other vCPUs of the guest read it, to see whether who holds a lock runs. */
  @Test
  void aVcpuThatLosesItsPcpuSaysSoInItsRunstateArea() {
    store(AREA);
    assertEquals(0, vcpuOp(RUNSTATE_AREA, 0, ARG));
    assertEquals(RunstateInfo.RUNNING, vcpu.guest().getInt(AREA));
    machine.control().pause(domain.domid());
    assertEquals(RunstateInfo.OFFLINE, vcpu.guest().getInt(AREA));
    RunstateInfo kept = new RunstateInfo();
    vcpu.unit().runstate(kept);
    assertEquals(
        machine.hypervisor().clock().toSystemNanos(kept.sinceNanos()),
        vcpu.guest().getLong(AREA + 8));
    for (int state = RunstateInfo.RUNNING; state <= RunstateInfo.OFFLINE; state++) {
      assertEquals(kept.nanosIn(state), vcpu.guest().getLong(AREA + 16 + 8L * state));
    }
  }

  @Test
  void aTimeAreaNeedNotBeMappedYet() {
    store(0xFFFF_8000_0000_0000L);
    assertEquals(-Errno.EFAULT, vcpuOp(TIME_AREA, 0, ARG));
    long entry = (3L << 12) + 8 * 9; // of page 9 in the table of level 1
    long frame = machine.control().mfn(domain.domid(), 3);
    long old = vcpu.guest().getLong(entry);
    long request = frame << 12 | 8 * 9;
    store(request, 0);
    assertEquals(0, guest.hypercall(HypercallNumber.MMU_UPDATE, ARG, 1, 0, 0x7FF0));
    store(9L << 12);
    assertEquals(0, vcpuOp(TIME_AREA, 0, ARG), "nothing there yet");
    store(request, old);
    assertEquals(0, guest.hypercall(HypercallNumber.MMU_UPDATE, ARG, 1, 0, 0x7FF0));
    machine.control().pause(domain.domid());
    machine.control().unpause(domain.domid());
    Await.until(
        "it has been written",
        () -> vcpu.guest().getInt((9L << 12) + SharedInfoLayout.TSC_TO_SYSTEM_MUL) != 0);
  }

  @Test
  void aVcpuInfoMovesOnceAndLosesNothing() {
    long mfn = machine.control().mfn(domain.domid(), 8);
    vcpu.setUpcallMask(1);
    for (int offset : new int[] {4, 4096 - 56, -8}) {
      store(mfn, offset);
      assertEquals(-Errno.ENXIO, vcpuOp(VCPU_INFO, 0, ARG));
    }
    store(machine.control().mfn(domain.domid(), 3), 0);
    assertEquals(-Errno.EINVAL, vcpuOp(VCPU_INFO, 0, ARG), "a page table");
    store(mfn, 4096 - 64);
    assertEquals(0, vcpuOp(VCPU_INFO, 0, ARG));
    assertEquals(-Errno.EINVAL, vcpuOp(VCPU_INFO, 0, ARG), "once");
    long at = (8 << 12) + 4096 - 64;
    assertEquals(1, vcpu.guest().getByte(at));
    assertEquals(1, vcpu.guest().getByte(at + SharedInfoLayout.UPCALL_MASK));
    assertEquals(-1L, vcpu.guest().getLong(at + SharedInfoLayout.PENDING_SEL));
    assertEquals(
        0x8000_0000,
        vcpu.guest().getInt(at + SharedInfoLayout.TIME + SharedInfoLayout.TSC_TO_SYSTEM_MUL));
    store(mfn, 128);
    assertEquals(0, vcpuOp(VCPU_INFO, 1, ARG), "another's, which is down");
  }

  @Test
  void aTimeAreaIsACopyOfTheTimeInfo() {
    store(AREA + 512);
    assertEquals(0, vcpuOp(TIME_AREA, 0, ARG));
    for (int offset = 8; offset < 30; offset++) {
      long legacy = domain.sharedInfo() + SharedInfoLayout.TIME + offset;
      assertEquals(
          machine.hypervisor().memory().get(java.lang.foreign.ValueLayout.JAVA_BYTE, legacy) & 0xFF,
          vcpu.guest().getByte(AREA + 512 + offset));
    }
    assertEquals(0, vcpu.guest().getInt(AREA + 512) & 1, "an even version");
  }

  @Test
  void theShutdownCodeSaidBeforehandCounts() {
    assertEquals(-Errno.EFAULT, schedOp(SHUTDOWN_CODE, 0xFFFF_8000_0000_0000L));
    store(DomainInfo.REBOOT);
    assertEquals(0, schedOp(SHUTDOWN_CODE, ARG));
    store(DomainInfo.SOFT_RESET);
    assertEquals(0, schedOp(SHUTDOWN_CODE, ARG), "the first one counts");
    assertTrue(domain.mayRun());
    store(DomainInfo.POWEROFF);
    guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.SCHED_OP, SHUTDOWN, ARG));
    Await.until("it is off", () -> domain.shutdownReason() >= 0);
    assertEquals(DomainInfo.REBOOT, domain.shutdownReason());
  }

  @Test
  void anUnknownShutdownReasonIsACrash() {
    store(17);
    guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.SCHED_OP, SHUTDOWN, ARG));
    Await.until("it is off", () -> domain.shutdownReason() >= 0);
    assertEquals(DomainInfo.CRASH, domain.shutdownReason());
  }

  @Test
  void othersAreNotAGuestsToShutDownNorProcessorsToPin() {
    int other = machine.build(1).domid();
    store(other, 0);
    assertEquals(-Errno.EPERM, schedOp(REMOTE_SHUTDOWN, ARG));
    assertEquals(1, machine.hypervisor().access().refusals(Operation.REMOTE_SHUTDOWN));
    assertEquals(-1, machine.hypervisor().domain(other).shutdownReason());
    store(999, 0);
    assertEquals(-Errno.ESRCH, schedOp(REMOTE_SHUTDOWN, ARG));
    assertEquals(-Errno.EPERM, schedOp(PIN_OVERRIDE, ARG));
    assertEquals(-Errno.ENOSYS, schedOp(8, ARG));
  }

  @Test
  void aDomainHasTwoWatchdogsAndOneThatIsNotFedEndsIt() {
    store(3L | 10L << 32);
    assertEquals(-Errno.EINVAL, schedOp(WATCHDOG, ARG));
    store(0);
    assertEquals(-Errno.EINVAL, schedOp(WATCHDOG, ARG), "stop which?");
    store(1L | 10L << 32);
    assertEquals(-Errno.EINVAL, schedOp(WATCHDOG, ARG), "not in use");
    store(0xFFFF_FFFFL << 32);
    assertEquals(1, schedOp(WATCHDOG, ARG), "136 years");
    assertEquals(2, schedOp(WATCHDOG, ARG));
    assertEquals(-Errno.ENOSPC, schedOp(WATCHDOG, ARG));
    store(1);
    assertEquals(0, schedOp(WATCHDOG, ARG), "stopped");
    store(2L | 1L << 32);
    assertEquals(0, schedOp(WATCHDOG, ARG));
    Await.until("it bites", () -> domain.shutdownReason() == DomainInfo.WATCHDOG);
  }

  @Test
  void aPollOfNothingEndsAtItsTimeout() {
    store(0, 0, now() + 3_000_000);
    long deadline = vcpu.guest().getLong(ARG + 16);
    assertEquals(0, schedOp(POLL, ARG));
    assertTrue(now() >= deadline);
    store(ARG, 1L << 32 - 1, 1);
    vcpu.guest().putInt(ARG + 8, -1);
    assertEquals(-Errno.EINVAL, schedOp(POLL, ARG));
  }

  /** A domain that controls it resets its ports: who polls them is not lost, his timeout is. */
  @Test
  void aResetDuringAPollLeavesTheTimeout() {
    int port = domain.events().bindIpi(0);
    vcpu.guest().putInt(ARG + 64, port);
    store(ARG + 64, 1, now() + 20_000_000);
    var poll = guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.SCHED_OP, POLL, ARG));
    RunstateInfo info = new RunstateInfo();
    Await.until(
        "it sleeps",
        () -> {
          vcpu.unit().runstate(info);
          return info.state() == RunstateInfo.BLOCKED;
        });
    assertEquals(0, domain.events().reset(domain.domid()));
    assertEquals(
        0, poll.orTimeout(20, java.util.concurrent.TimeUnit.SECONDS).join().gpr[CpuState.RAX]);
    assertEquals(-Errno.EINVAL, domain.events().pendingState(port));
  }
}
