package dev.domus.kernel.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.EventChannelLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.service.PortStatus;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** event_channel_op as two guests make it, against the structures of the ABI. */
class EventChannelOpTest {
  private static final long ARG = 6 << 12;
  private static final long READONLY_PAGE = 3 << 12;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final Domain domain = machine.start();
  private final Domain other = machine.start();
  private final GuestAccess memory = domain.vcpu(0).guest();
  private final ScriptedVcpu guest = machine.engine().vcpu(0);
  private final ScriptedVcpu otherGuest = machine.engine().vcpu(1);

  @AfterEach
  void close() {
    machine.close();
  }

  private long call(int command, int... words) {
    return call(guest, memory, command, words);
  }

  private static long call(ScriptedVcpu by, GuestAccess memory, int command, int... words) {
    for (int i = 0; i < words.length; i++) {
      memory.putInt(ARG + 4L * i, words[i]);
    }
    return by.hypercall(HypercallNumber.EVENT_CHANNEL_OP, command, ARG);
  }

  private int word(int index) {
    return memory.getInt(ARG + 4L * index);
  }

  @Test
  void aGuestLearnsItsOwnDomidFromAnUnboundPort() {
    assertEquals(0, call(EventChannelLayout.ALLOC_UNBOUND, Domid.SELF | Domid.SELF << 16, 0));
    int port = word(1);
    assertEquals(1, port);
    assertEquals(0, call(EventChannelLayout.STATUS, Domid.SELF, port, -1, -1, 0));
    assertEquals(PortStatus.UNBOUND, word(2));
    assertEquals(0, word(3));
    assertEquals(domain.domid(), word(4));
    assertEquals(0, call(EventChannelLayout.CLOSE, port));
    assertEquals(-Errno.EINVAL, call(EventChannelLayout.CLOSE, port));
  }

  @Test
  void guestsBindAndSend() {
    GuestAccess otherMemory = other.vcpu(0).guest();
    assertEquals(
        0,
        call(
            otherGuest,
            otherMemory,
            EventChannelLayout.ALLOC_UNBOUND,
            Domid.SELF | domain.domid() << 16,
            0));
    int far = otherMemory.getInt(ARG + 4);
    assertEquals(0, call(EventChannelLayout.BIND_VIRQ, Virq.TIMER, 0, 0));
    assertEquals(1, word(2));
    assertEquals(0, call(EventChannelLayout.BIND_INTERDOMAIN, other.domid(), far, 0));
    int near = word(2);
    assertEquals(2, near);
    assertEquals(1, domain.events().pendingState(near));
    assertEquals(0, call(EventChannelLayout.SEND, near));
    assertEquals(1, other.events().pendingState(far));
    assertEquals(0, call(EventChannelLayout.STATUS, Domid.SELF, near, 0, 0, 0, 0));
    assertEquals(PortStatus.INTERDOMAIN, word(2));
    assertEquals(other.domid(), word(4));
    assertEquals(far, word(5));
    assertEquals(0, call(EventChannelLayout.BIND_VCPU, near, 0));
    assertEquals(-Errno.ENOENT, call(EventChannelLayout.BIND_VCPU, near, 1));
    assertEquals(0, call(EventChannelLayout.UNMASK, near));
    assertEquals(0, call(EventChannelLayout.STATUS, Domid.SELF, 1, 0, 0, 0));
    assertEquals(PortStatus.VIRQ, word(2));
    assertEquals(Virq.TIMER, word(4));
    assertEquals(0, call(EventChannelLayout.RESET, Domid.SELF));
    assertEquals(PortStatus.UNBOUND, other.events().status(far).orElseThrow().state());
  }

  @Test
  void aPortWhoseNumberCannotBeStoredIsNotBound() {
    long arg = READONLY_PAGE + 8 * 200;
    for (int command :
        new int[] {
          EventChannelLayout.BIND_VIRQ,
          EventChannelLayout.ALLOC_UNBOUND,
          EventChannelLayout.BIND_IPI,
          EventChannelLayout.BIND_INTERDOMAIN
        }) {
      assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.EVENT_CHANNEL_OP, command, arg));
    }
    assertEquals(0, call(EventChannelLayout.BIND_IPI, 0, 0));
    assertEquals(1, word(1), "no port was taken before");
  }

  @Test
  void othersPortsAreTheirOwn() {
    assertEquals(-Errno.EPERM, call(EventChannelLayout.STATUS, other.domid(), 1, 0, 0, 0));
    assertEquals(-Errno.ESRCH, call(EventChannelLayout.STATUS, 999, 1, 0, 0, 0));
    assertEquals(-Errno.EPERM, call(EventChannelLayout.RESET, other.domid()));
    assertEquals(-Errno.ESRCH, call(EventChannelLayout.RESET, 999));
    assertEquals(-Errno.EPERM, call(EventChannelLayout.ALLOC_UNBOUND, other.domid(), 0));
    assertEquals(-Errno.ESRCH, call(EventChannelLayout.ALLOC_UNBOUND, 999, 0));
  }

  @Test
  void whatIsNotThereSaysSo() {
    assertEquals(-Errno.ENOSYS, call(14, 0));
    assertEquals(-Errno.ENOSYS, call(-1, 0));
    assertEquals(-Errno.EPERM, call(EventChannelLayout.BIND_PIRQ, 1, 0, 0));
    assertEquals(-Errno.EINVAL, call(EventChannelLayout.INIT_CONTROL, 1, 0, 0, 0));
    assertEquals(-Errno.EOPNOTSUPP, call(EventChannelLayout.EXPAND_ARRAY, 1, 0));
    assertEquals(-Errno.EINVAL, call(EventChannelLayout.SET_PRIORITY, 1 << 20, 7));
    assertEquals(-Errno.ENOSYS, call(EventChannelLayout.SET_PRIORITY, 1, 16));
    assertEquals(-Errno.ENOSYS, call(EventChannelLayout.SET_PRIORITY, 1, 7));
    assertEquals(
        -Errno.EFAULT,
        guest.hypercall(
            HypercallNumber.EVENT_CHANNEL_OP, EventChannelLayout.SEND, 0xFFFF_8000_0000_0000L));
    assertTrue(domain.mayRun());
  }

  private long mfn(int pfn) {
    return machine.control().mfn(domain.domid(), pfn);
  }

  private long initControl(long mfn, int offset, int vcpu) {
    return call(
        EventChannelLayout.INIT_CONTROL, (int) mfn, (int) (mfn >>> 32), offset, vcpu, 0x55555555);
  }

  private long expand(long mfn) {
    return call(EventChannelLayout.EXPAND_ARRAY, (int) mfn, (int) (mfn >>> 32));
  }

  @Test
  void aGuestGoesOverToFifo() {
    assertEquals(-Errno.EINVAL, initControl(mfn(3), 0, 0), "a page table");
    assertEquals(-Errno.EINVAL, initControl(machine.control().mfn(other.domid(), 10), 0, 0));
    assertEquals(-Errno.EINVAL, initControl(-1, 0, 0));
    assertEquals(-Errno.ENOENT, initControl(mfn(10), 0, 1));
    assertEquals(-Errno.EOPNOTSUPP, expand(mfn(11)));
    assertEquals(0x55555555, word(4), "link_bits is an answer");
    assertEquals(0, initControl(mfn(10), 128, 0));
    assertEquals(0x55555511, word(4), "17 bits, and nothing beside the byte");
    assertEquals(-Errno.EINVAL, expand(mfn(3)));
    assertEquals(0, expand(mfn(11)));
    assertEquals(0, call(EventChannelLayout.BIND_IPI, 0, 0));
    int port = word(1);
    assertEquals(0, call(EventChannelLayout.SET_PRIORITY, port, 3));
    assertEquals(-Errno.EINVAL, call(EventChannelLayout.SET_PRIORITY, port, 16));
    assertEquals(0, call(EventChannelLayout.SEND, port));
    assertEquals(1 << 3, memory.getInt((10 << 12) + 128));
    assertEquals(port, memory.getInt((10 << 12) + 128 + 8 + 4 * 3));
    assertEquals(0xA000_0000, memory.getInt((11 << 12) + 4L * port));
    assertTrue(domain.vcpu(0).guest().getInt(ARG) == port);
  }

  @Test
  void aBadPlaceForLinkBitsChangesNothing() {
    long arg = READONLY_PAGE + 8 * 200; // unused entries of the level-1 table: zeros
    assertEquals(
        -Errno.EFAULT,
        guest.hypercall(HypercallNumber.EVENT_CHANNEL_OP, EventChannelLayout.INIT_CONTROL, arg));
    assertEquals(-Errno.EOPNOTSUPP, expand(mfn(11)));
  }

  /** A page of event words cannot become a page table until the domain has done with it. */
  @Test
  void eventPagesAreHeldUntilReset() {
    assertEquals(0, initControl(mfn(10), 0, 0));
    assertEquals(0, expand(mfn(11)));
    long frame = mfn(11);
    var frames = machine.hypervisor().machineFrames().table();
    long types = frames.typeCount(frame);
    assertEquals(0, call(EventChannelLayout.RESET, Domid.SELF));
    assertEquals(types - 1, frames.typeCount(frame));
  }
}
