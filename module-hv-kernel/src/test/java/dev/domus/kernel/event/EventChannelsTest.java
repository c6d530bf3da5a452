package dev.domus.kernel.event;

import static dev.domus.kernel.abi.Errno.EEXIST;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOENT;
import static dev.domus.kernel.abi.Errno.ENOSPC;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.abi.Errno.ESRCH;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.service.PortStatus;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class EventChannelsTest {
  private final FakeMachine machine = new FakeMachine();
  private final FakeMachine.Guest dom0 = machine.guest(0, 1);
  private final FakeMachine.Guest a = machine.guest(1, 4);
  private final FakeMachine.Guest b = machine.guest(2, 2);

  private int connect() {
    int far = b.events.allocUnbound(2, 1);
    int near = a.events.bindInterdomain(2, far);
    a.takeEvents(0);
    assertEquals(far, near, "both tables were empty");
    a.upcalls.set(0);
    a.portsTold.clear();
    return near;
  }

  private static PortStatus status(FakeMachine.Guest guest, int port) {
    return guest.events.status(port).orElseThrow();
  }

  @Test
  void theLowestFreePortIsAllocatedAndPortZeroNever() {
    assertEquals(1, a.events.bindIpi(0));
    assertEquals(2, a.events.allocUnbound(1, 0));
    assertEquals(3, a.events.bindVirq(Virq.TIMER, 0));
    assertEquals(0, a.events.close(2));
    assertEquals(2, a.events.bindIpi(0));
    assertEquals(4, a.events.bindIpi(0));
    assertEquals(-EINVAL, a.events.close(0));
    assertEquals(-EINVAL, a.events.send(0));
  }

  @Test
  void twoLevelsHave4095Ports() {
    for (int port = 1; port < 4096; port++) {
      assertEquals(port, a.events.allocUnbound(1, 2));
    }
    assertEquals(-ENOSPC, a.events.allocUnbound(1, 2));
    assertEquals(-ENOSPC, a.events.bindIpi(0));
    assertEquals(0, a.events.close(3000));
    assertEquals(3000, a.events.bindIpi(0));
    assertEquals(0, a.events.send(3000));
    assertTrue(a.pending(3000));
    assertEquals(1L << (3000 >>> 6), a.selector(0));
  }

  @Test
  void bindingMakesTheLocalPortPending() {
    int far = b.events.allocUnbound(2, 1);
    int near = a.events.bindInterdomain(2, far);
    assertTrue(a.pending(near));
    assertTrue(a.upcallPending(0));
    assertEquals(1, a.upcalls.get());
    assertFalse(b.pending(far));
    assertEquals(new PortStatus(PortStatus.INTERDOMAIN, 0, 2, far), status(a, near));
    assertEquals(new PortStatus(PortStatus.INTERDOMAIN, 0, 1, near), status(b, far));
  }

  @Test
  void bindingIsRefusedWhereNothingWasReservedForTheCaller() {
    assertEquals(-ESRCH, a.events.bindInterdomain(77, 1));
    assertEquals(-EINVAL, a.events.bindInterdomain(2, 1));
    assertEquals(-EINVAL, a.events.bindInterdomain(2, -1));
    int forDom0 = b.events.allocUnbound(2, 0);
    assertEquals(-EINVAL, a.events.bindInterdomain(2, forDom0));
    int port = connect2();
    assertEquals(-EINVAL, a.events.bindInterdomain(2, port), "bound already");
    assertEquals(-EINVAL, a.events.bindInterdomain(2, b.events.bindIpi(0)));
  }

  private int connect2() {
    int far = b.events.allocUnbound(2, 1);
    assertTrue(a.events.bindInterdomain(2, far) > 0);
    return far;
  }

  @Test
  void aDomainMayBindToItself() {
    int far = a.events.allocUnbound(1, Domid.SELF);
    int near = a.events.bindInterdomain(Domid.SELF, far);
    a.takeEvents(0);
    assertEquals(0, a.events.send(near));
    assertEquals(List.of(far), a.takeEvents(0));
    assertEquals(0, a.events.send(far));
    assertEquals(List.of(near), a.takeEvents(0));
    assertEquals(0, a.events.close(near));
    assertEquals(new PortStatus(PortStatus.UNBOUND, 0, 1, 0), status(a, far));
  }

  @Test
  void allocationInAnotherDomainNeedsControlOverIt() {
    assertEquals(-EPERM, a.events.allocUnbound(2, 2));
    assertEquals(1, a.events.allocUnbound(0, Domid.SELF));
    assertEquals(new PortStatus(PortStatus.UNBOUND, 0, 0, 0), status(a, 1), "SELF is the caller");
    assertTrue(dom0.events.bindInterdomain(1, 1) > 0);
  }

  @Test
  void sendSetsPendingThenSelectorThenFlagAndTellsOnce() {
    int port = connect();
    assertEquals(0, a.events.send(port));
    assertTrue(b.pending(port));
    assertEquals(1, b.selector(0));
    assertTrue(b.upcallPending(0));
    assertEquals(1, b.upcalls.get());
    assertEquals(List.of(port), b.portsTold);
    assertEquals(0, a.events.send(port));
    assertEquals(1, b.upcalls.get(), "it was pending");
    assertEquals(List.of(port), b.portsTold);
    assertEquals(List.of(port), b.takeEvents(0));
    assertEquals(0, a.events.send(port));
    assertEquals(2, b.upcalls.get());
  }

  @Test
  void aSelectedWordOrASetFlagIsNotAnnouncedAgain() {
    int one = b.events.bindIpi(0);
    int two = b.events.bindIpi(0);
    b.events.send(one);
    b.events.send(two);
    assertEquals(1, b.upcalls.get());
    assertEquals(List.of(one, two), b.takeEvents(0));
  }

  @Test
  void aMaskedPortBecomesPendingSilentlyButWakesPollers() {
    int port = connect();
    b.setMasked(port, true);
    a.events.send(port);
    assertTrue(b.events.isPending(port));
    assertTrue(b.events.isMasked(port));
    assertEquals(0, b.selector(0));
    assertEquals(0, b.upcalls.get());
    assertEquals(List.of(port), b.portsTold);
    assertEquals(0, b.events.unmask(port));
    assertFalse(b.events.isMasked(port));
    assertEquals(1, b.upcalls.get());
    assertEquals(List.of(port), b.takeEvents(0));
  }

  @Test
  void unmaskingWhatIsNotPendingOrNotMaskedTellsNobody() {
    int port = connect();
    b.setMasked(port, true);
    assertEquals(0, b.events.unmask(port));
    a.events.send(port);
    assertEquals(1, b.upcalls.get());
    assertEquals(0, b.events.unmask(port));
    assertEquals(1, b.upcalls.get());
    assertEquals(-EINVAL, b.events.unmask(4096));
    assertEquals(-EINVAL, b.events.unmask(-1));
  }

  @Test
  void eventsGoToTheVcpuThatThePortWasBoundTo() {
    int port = connect();
    b.events.bindVcpu(port, 1);
    a.events.send(port);
    assertFalse(b.upcallPending(0));
    assertTrue(b.upcallPending(1));
    int ipi = a.events.bindIpi(3);
    a.events.send(ipi);
    assertTrue(a.upcallPending(3));
    assertEquals(List.of(ipi), a.takeEvents(3));
  }

  @Test
  void aVcpuWithoutInfoStillHasPendingBits() {
    b.dropVcpuInfo(1);
    int ipi = b.events.bindIpi(1);
    assertEquals(0, b.events.send(ipi));
    assertTrue(b.pending(ipi));
    assertEquals(0, b.upcalls.get());
  }

  @Test
  void onlyMovablePortsAreMoved() {
    assertEquals(-ENOENT, a.events.bindVcpu(1, 4));
    assertEquals(-EINVAL, a.events.bindVcpu(1, 3));
    assertEquals(-EINVAL, a.events.bindVcpu(a.events.bindIpi(0), 1));
    assertEquals(-EINVAL, a.events.bindVcpu(a.events.bindVirq(Virq.TIMER, 0), 1));
    assertEquals(0, a.events.bindVcpu(a.events.bindVirq(Virq.DOM_EXC, 0), 1));
    assertEquals(0, a.events.bindVcpu(a.events.allocUnbound(1, 2), 2));
    a.events.raiseVirq(Virq.DOM_EXC, 0);
    assertTrue(a.upcallPending(1));
  }

  @Test
  void virtualInterruptsAreBoundOncePerVcpuOrOnce() {
    assertEquals(-EINVAL, a.events.bindVirq(Virq.COUNT, 0));
    assertEquals(-EINVAL, a.events.bindVirq(-1, 0));
    assertEquals(-EINVAL, a.events.bindVirq(Virq.DOM_EXC, 1));
    assertEquals(-ENOENT, a.events.bindVirq(Virq.TIMER, 4));
    int zero = a.events.bindVirq(Virq.TIMER, 0);
    int two = a.events.bindVirq(Virq.TIMER, 2);
    assertEquals(-EEXIST, a.events.bindVirq(Virq.TIMER, 2));
    assertEquals(new PortStatus(PortStatus.VIRQ, 2, 0, Virq.TIMER), status(a, two));
    a.events.raiseVirq(Virq.TIMER, 2);
    a.events.raiseVirq(Virq.TIMER, 3);
    assertEquals(List.of(), a.takeEvents(0));
    assertEquals(List.of(two), a.takeEvents(2));
    assertEquals(-EINVAL, a.events.send(zero), "a guest cannot send its own interrupts");
    a.events.close(two);
    a.events.raiseVirq(Virq.TIMER, 2);
    assertEquals(0, a.selector(2));
    assertEquals(two, a.events.bindVirq(Virq.TIMER, 2));
  }

  @Test
  void closingLeavesThePeerUnboundForTheCloser() {
    int port = connect();
    a.events.send(port);
    assertEquals(0, a.events.close(port));
    assertEquals(new PortStatus(PortStatus.UNBOUND, 0, 1, 0), status(b, port));
    assertEquals(PortStatus.CLOSED, status(a, port).state());
    assertEquals(0, b.events.send(port), "sending into the void succeeds");
    assertEquals(-EINVAL, a.events.send(port));
    assertEquals(-EINVAL, a.events.close(port));
    assertEquals(-EINVAL, dom0.events.bindInterdomain(2, port));
    assertEquals(port, a.events.bindInterdomain(2, port));
  }

  @Test
  void aReusedPortDoesNotInheritPendingOrVcpu() {
    int port = connect();
    b.events.bindVcpu(port, 1);
    a.events.send(port);
    b.events.close(port);
    assertFalse(b.pending(port));
    assertEquals(port, b.events.allocUnbound(2, 1));
    assertEquals(0, status(b, port).vcpu());
    assertFalse(b.events.isPending(port));
  }

  @Test
  void resetClosesEverythingAndLeavesThePortsUsable() {
    int port = connect();
    a.events.bindVirq(Virq.TIMER, 0);
    assertEquals(-EPERM, a.events.reset(2));
    assertEquals(0, a.events.reset(1));
    assertEquals(PortStatus.UNBOUND, status(b, port).state());
    assertEquals(1, a.events.bindVirq(Virq.TIMER, 0));
  }

  @Test
  void aDyingDomainBindsNothingMore() {
    int port = connect();
    a.events.closeAll();
    assertEquals(PortStatus.UNBOUND, status(b, port).state());
    assertEquals(0, b.events.send(port));
    assertEquals(-EINVAL, a.events.bindIpi(0));
    assertEquals(-EINVAL, a.events.bindInterdomain(2, port));
  }

  @Test
  void whatPollMayWaitForIsBound() {
    int port = connect();
    assertEquals(0, a.events.pendingState(port));
    b.events.send(port);
    assertEquals(1, a.events.pendingState(port));
    for (int other : new int[] {0, port + 1, 63, 64, 4095, 4096, Integer.MAX_VALUE, -1}) {
      assertEquals(-EINVAL, a.events.pendingState(other));
    }
    assertEquals(Optional.empty(), a.events.status(4096));
    assertEquals(PortStatus.CLOSED, status(a, 63).state());
  }

  @Test
  void aGuestThatGarblesItsBitmapsHarmsNobodyElse() {
    int port = connect();
    for (int seed = 0; seed < 100; seed++) {
      a.garble(seed);
      b.takeEvents(0);
      assertEquals(0, a.events.send(port));
      assertEquals(List.of(port), b.takeEvents(0));
      assertEquals(0, b.events.send(port));
      a.events.unmask(port);
    }
    a.clear();
    b.events.send(port);
    assertEquals(List.of(port), a.takeEvents(0));
  }
}
