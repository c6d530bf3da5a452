package dev.domus.kernel.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What a guest is answered where several things are wrong at once, or where something is wrong that
 * does not matter: as Xen 4.17 does, whose guests were written by looking at its answers.
 */
class OrderOfChecksTest {
  private static final long ARG = 6 << 12, BEHIND = 7 << 12, LAST = 31 << 12;
  private static final long UNMAPPED = 64 << 12, HYPERVISORS = 0xFFFF_8000_0000_0000L;
  private static final int POLL = 3;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Domain domain;
  private Vcpu vcpu;
  private ScriptedVcpu guest;

  @BeforeEach
  void start() {
    domain = machine.start();
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

  private long call(int number, long... arguments) {
    return guest.hypercall(number, arguments);
  }

  // ---- sched_op

  @Test
  void aPollAnswersForThePortsInTheirOrder() {
    int pending = domain.events().bindIpi(0);
    domain.events().send(pending);
    int quiet = domain.events().bindIpi(0);
    vcpu.guest().putInt(LAST + 4088, pending);
    vcpu.guest().putInt(LAST + 4092, quiet);
    vcpu.setUpcallMask(1);
    store(LAST + 4088, 3, 0);
    assertEquals(
        0, call(HypercallNumber.SCHED_OP, POLL, ARG), "pending, before what is unreadable");
    store(LAST + 4092, 2, 0);
    assertEquals(-Errno.EFAULT, call(HypercallNumber.SCHED_OP, POLL, ARG));
    store(UNMAPPED, 1, 0);
    assertEquals(-Errno.EFAULT, call(HypercallNumber.SCHED_OP, POLL, ARG));
    store(HYPERVISORS, 129, 0);
    assertEquals(
        -Errno.EINVAL, call(HypercallNumber.SCHED_OP, POLL, ARG), "too many, first of all");
    store(HYPERVISORS, 1, 0);
    assertEquals(-Errno.EFAULT, call(HypercallNumber.SCHED_OP, POLL, ARG));
  }

  @Test
  void anEventThatIsDueComesBeforePortsThatCannotBeRead() {
    vcpu.traps().setCallbacks(0x5000, 0, 0);
    guest.step(s -> {
      s.gpr[dev.domus.kernel.engine.CpuState.RSP] = TinyMachine.STACK;
      long info = vcpu.vcpuInfo();
      machine
          .hypervisor()
          .memory()
          .set(ValueLayout.JAVA_BYTE, info + SharedInfoLayout.UPCALL_PENDING, (byte) 1);
      machine
          .hypervisor()
          .memory()
          .set(ValueLayout.JAVA_BYTE, info + SharedInfoLayout.UPCALL_MASK, (byte) 0);
      vcpu.guest().putLong(ARG, UNMAPPED);
      vcpu.guest().putLong(ARG + 8, 1);
      vcpu.guest().putLong(ARG + 16, 0);
      return ScriptedVcpu.syscall(s, HypercallNumber.SCHED_OP, POLL, ARG);
    });
    assertEquals(0, vcpu.state().gpr[dev.domus.kernel.engine.CpuState.RAX]);
  }

  // ---- set_trap_table, multicall, physdev_op

  @Test
  void aTrapTableEndsWhereItSaysSoAndNotBefore() {
    for (int i = 0; i < 300; i++) {
      vcpu.guest().putLong((20 << 12) + 16L * i, 3);
      vcpu.guest().putLong((20 << 12) + 16L * i + 8, 0x1000 + i);
    }
    vcpu.guest().putLong((20 << 12) + 16L * 300 + 8, 0);
    assertEquals(0, call(HypercallNumber.SET_TRAP_TABLE, 20 << 12));
    assertEquals(0x1000 + 299, vcpu.traps().address(3), "the last entry of a vector counts");
    for (long at = ARG; at < 32 << 12; at += 16) {
      vcpu.guest().putLong(at, 3);
      vcpu.guest().putLong(at + 8, 0x2000);
    }
    assertEquals(-Errno.EFAULT, call(HypercallNumber.SET_TRAP_TABLE, 16 << 12), "it has no end");
  }

  @Test
  void anEntryOfAMulticallHasItsNumberIn64Bits() {
    store(1L << 32 | HypercallNumber.XEN_VERSION, 7, 0, 0);
    assertEquals(0, call(HypercallNumber.MULTICALL, ARG, 1));
    assertEquals(-Errno.ENOSYS, vcpu.guest().getLong(ARG + 8));
    store(HypercallNumber.XEN_VERSION, 7, 0, 0);
    assertEquals(0, call(HypercallNumber.MULTICALL, ARG, 1));
    assertEquals(4 << 16 | 17, vcpu.guest().getLong(ARG + 8));
  }

  @Test
  void anIoBitmapLiesWhereAGuestMayPointTo() {
    store(HYPERVISORS, 16);
    assertEquals(-Errno.EINVAL, call(HypercallNumber.PHYSDEV_OP, 7, ARG));
    store(BEHIND, 65537);
    assertEquals(-Errno.EINVAL, call(HypercallNumber.PHYSDEV_OP, 7, ARG));
    store(UNMAPPED, 65536);
    assertEquals(0, call(HypercallNumber.PHYSDEV_OP, 7, ARG), "it need not be there yet");
    store(0, 0);
    assertEquals(0, call(HypercallNumber.PHYSDEV_OP, 7, ARG));
  }

  // ---- batches of page-table requests

  @Test
  void thatTheNumberOfRequestsDoneCannotBeToldIsNoError() {
    long l1 = vcpu.domain().mmu().p2m().mfn(3);
    long old = vcpu.guest().getLong((3 << 12) + 8 * 30);
    store(l1 << 12 | 8 * 30, old, l1 << 12 | 7, 0);
    for (long done : new long[] {UNMAPPED, 3 << 12, HYPERVISORS, 1}) {
      assertEquals(0, call(HypercallNumber.MMU_UPDATE, ARG, 1, done, Domid.SELF));
      assertEquals(-Errno.ENOSYS, call(HypercallNumber.MMU_UPDATE, ARG, 2, done, Domid.SELF));
    }
    assertEquals(-Errno.ENOSYS, call(HypercallNumber.MMU_UPDATE, ARG, 2, BEHIND, Domid.SELF));
    assertEquals(1, vcpu.guest().getInt(BEHIND));
    store(6, 0, 0, 99, 0, 0); // TLB_FLUSH_LOCAL, and nothing
    assertEquals(-Errno.ENOSYS, call(HypercallNumber.MMUEXT_OP, ARG, 2, HYPERVISORS, Domid.SELF));
  }

  @Test
  void aDomainDoesNotCallItselfByItsNumber() {
    store(0, 0);
    int self = domain.domid();
    assertEquals(-Errno.ESRCH, call(HypercallNumber.MMU_UPDATE, ARG, 0, 0, self));
    assertEquals(-Errno.ESRCH, call(HypercallNumber.MMUEXT_OP, ARG, 0, 0, self));
    assertEquals(
        -Errno.ESRCH, call(HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN, 30 << 12, 0, 0, self));
    assertEquals(0, call(HypercallNumber.MMU_UPDATE, ARG, 0, 0, self + 1 << 16 | Domid.SELF));
    assertEquals(
        -Errno.ESRCH,
        call(HypercallNumber.MMU_UPDATE, ARG, 0, 0, Domid.SELF + 1 << 16 | Domid.SELF));
  }

  @Test
  void noLdtMayBeAnywhere() {
    for (long where : new long[] {0, 5, HYPERVISORS, -1, 1L << 47}) {
      store(13, where, 0);
      assertEquals(0, call(HypercallNumber.MMUEXT_OP, ARG, 1, 0, Domid.SELF));
    }
    store(13, 5, 1);
    assertEquals(-Errno.EINVAL, call(HypercallNumber.MMUEXT_OP, ARG, 1, 0, Domid.SELF));
  }

  // ---- memory_op

  @Test
  void onlyReservationsAreContinuedByTheBitsAboveTheCommand() {
    store(Domid.SELF, 0, 0, 0, 0, 0, 0, 0, 0);
    for (int command : new int[] {2, 3, 4, 11, 14, 15, 24, 26, 27}) {
      assertEquals(-Errno.EINVAL, call(HypercallNumber.MEMORY_OP, command | 64, ARG), "" + command);
    }
    for (int command : new int[] {5, 8, 9, 10, 12, 13, 30}) {
      assertEquals(-Errno.ENOSYS, call(HypercallNumber.MEMORY_OP, command | 64, ARG), "" + command);
    }
    assertEquals(3, call(HypercallNumber.MEMORY_OP, 3 << 6, UNMAPPED));
  }

  private long exchange(long inCount, int inOrder, long outCount, int outOrder, long done) {
    store(BEHIND, inCount, inOrder, Domid.SELF, BEHIND + 8, outCount, outOrder, Domid.SELF, done);
    return call(HypercallNumber.MEMORY_OP, 11, ARG);
  }

  @Test
  void anExchangeIsCheckedOrderFirstThenSizesThenLists() {
    assertEquals(-Errno.EPERM, exchange(1, 60, 7, 0, 9));
    assertEquals(-Errno.EINVAL, exchange(1, 0, 1, 0, 2), "more done than asked for");
    assertEquals(-Errno.EINVAL, exchange(1, 0, 2, 0, 0));
    assertEquals(
        -Errno.EINVAL, exchange(1L << 62, 2, 1L << 62, 2, 0), "no number has so many bits");
    assertEquals(0, exchange(1, 0, 1, 0, 1), "nothing is left to do");
    assertEquals(0, exchange(0, 0, 0, 0, 0));
    assertEquals(-Errno.EFAULT, exchange(1L << 50, 0, 1L << 50, 0, 0), "XSA-212");
    vcpu.guest().putLong(BEHIND, -1);
    assertEquals(-Errno.EINVAL, exchange(1, 0, 1, 0, 0), "no such frame");
  }

  @Test
  void aDomainPopulatesNothingOnDemand() {
    store(BEHIND, 1, 1L << 48, Domid.SELF); // mem_flags bit 16
    assertEquals(0, call(HypercallNumber.MEMORY_OP, 6, ARG));
    assertTrue(domain.mayRun());
  }

  // ---- event_channel_op

  @Test
  void anothersPortsAreResetWhileItIsPaused() {
    Domain manager = machine.buildPrivileged(1);
    machine.control().unpause(manager.domid());
    ScriptedVcpu privileged = machine.engine().vcpu(1);
    int port = domain.events().bindIpi(0);
    manager.vcpu(0).guest().putInt(ARG, domain.domid());
    long[] reset = {10, ARG};
    assertEquals(-Errno.EINVAL, privileged.hypercall(HypercallNumber.EVENT_CHANNEL_OP, reset));
    assertTrue(domain.events().isBound(port));
    machine.control().pause(domain.domid());
    assertEquals(0, privileged.hypercall(HypercallNumber.EVENT_CHANNEL_OP, reset));
    assertFalse(domain.events().isBound(port));
  }

  @Test
  void aPortThatDoesNotExistIsSaidBeforeWhoMayAsk() {
    Domain other = machine.build(1);
    store(other.domid() | 1L << 52, 0, 0);
    assertEquals(-Errno.EINVAL, call(HypercallNumber.EVENT_CHANNEL_OP, 5, ARG));
    store(other.domid() | 1L << 32, 0, 0);
    assertEquals(-Errno.EPERM, call(HypercallNumber.EVENT_CHANNEL_OP, 5, ARG));
  }
}
