package dev.domus.kernel.event;

import static dev.domus.kernel.abi.Errno.EACCES;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOENT;
import static dev.domus.kernel.abi.Errno.ENOSPC;
import static dev.domus.kernel.abi.Errno.ENOSYS;
import static dev.domus.kernel.abi.Errno.EOPNOTSUPP;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Virq;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The FIFO ABI against a guest that follows the ABI, and against guests that do not. */
class FifoEventsTest {
  private static final int FRAME = FakeMachine.FIRST_ORDINARY;

  private final FakeMachine machine = new FakeMachine();
  private final FakeMachine.Guest a = machine.guest(1, 2);
  private final FakeMachine.Guest b = machine.guest(2, 1);
  private final FifoGuest fifo = new FifoGuest(machine, a, FRAME);

  private int ipi(int vcpu, int priority) {
    int port = a.events.bindIpi(vcpu);
    assertEquals(0, a.events.setPriority(port, priority));
    return port;
  }

  private void send(int... ports) {
    for (int port : ports) {
      assertEquals(0, a.events.send(port));
    }
  }

  @Test
  void controlBlocksAreCheckedAndGivenOnce() {
    assertEquals(-ENOENT, a.events.initControl(FRAME, 0, 2));
    assertEquals(-ENOENT, a.events.initControl(FRAME, 0, -1));
    assertEquals(-EINVAL, a.events.initControl(FRAME, 4, 0));
    assertEquals(-EINVAL, a.events.initControl(FRAME, 4096 - 64, 0));
    assertEquals(-EINVAL, a.events.initControl(FRAME, -8, 0));
    assertEquals(-EINVAL, a.events.initControl(3, 0, 0), "somebody else's frame");
    assertEquals(-EOPNOTSUPP, a.events.expandArray(FRAME), "still two levels");
    assertEquals(-ENOSYS, a.events.setPriority(1, 3));
    assertEquals(0, a.events.initControl(FRAME, 4096 - 72, 0));
    assertEquals(-EINVAL, a.events.initControl(FRAME, 0, 0), "it has one");
    assertEquals(0, a.events.initControl(FRAME, 0, 1));
    assertEquals(2, machine.references(FRAME));
  }

  @Test
  void theArrayGrowsTo128PagesAndNoFurther() {
    fifo.start(0);
    assertEquals(-EINVAL, a.events.expandArray(3));
    for (int i = 0; i < 128; i++) {
      fifo.expand();
    }
    assertEquals(-ENOSPC, a.events.expandArray(FRAME));
    assertEquals(0, machine.references(FRAME + 129));
  }

  @Test
  void allPortsOfTheAbiAreThere() {
    fifo.start(128);
    for (int port = 1; port < 1 << 17; port++) {
      assertEquals(port, a.events.bindIpi(port & 1));
    }
    assertEquals(-ENOSPC, a.events.bindIpi(0));
    send(131071, 4096, 65536);
    assertEquals(List.of(131071), fifo.take(1));
    assertEquals(List.of(4096, 65536), fifo.take(0));
    assertEquals(0, a.events.close(70000));
    assertEquals(70000, a.events.bindIpi(0));
  }

  @Test
  void eventsComeInTheOrderOfSendingWithinAPriority() {
    fifo.start(1);
    List<Integer> sent = new ArrayList<>();
    for (int i = 0; i < 900; i++) {
      a.events.bindIpi(0);
    }
    new Random(5).ints(1, 901).distinct().limit(900).forEach(sent::add);
    sent.forEach(this::send);
    assertEquals(1, a.upcalls.get(), "one queue, told of once");
    assertEquals(sent, fifo.take(0));
    assertEquals(List.of(), fifo.take(0));
    send(7);
    assertEquals(2, a.upcalls.get());
    assertEquals(List.of(7), fifo.take(0));
  }

  @Test
  void higherPrioritiesComeFirst() {
    fifo.start(1);
    int last = ipi(0, 15);
    int middle = a.events.bindIpi(0);
    int first = ipi(0, 0);
    send(last, middle, first);
    assertEquals(1 << 15 | 1 << 7 | 1, fifo.ready(0));
    assertEquals(List.of(first, middle, last), fifo.take(0));
    assertEquals(-EINVAL, a.events.setPriority(first, 16));
    assertEquals(-EINVAL, a.events.setPriority(first, -1));
    assertEquals(-EINVAL, a.events.setPriority(1 << 17, 1));
    assertEquals(-EACCES, a.events.setPriority(0, 16), "reserved");
    int free = a.events.bindIpi(0);
    a.events.close(free);
    assertEquals(-EACCES, a.events.setPriority(free, 1), "not bound");
  }

  @Test
  void aBoundPortHasTheDefaultPriority() {
    fifo.start(1);
    int port = ipi(0, 2);
    assertEquals(0, a.events.close(port));
    assertEquals(port, a.events.bindIpi(0));
    send(port);
    assertEquals(1 << 7, fifo.ready(0));
  }

  @Test
  void aMaskedEventWaitsForItsUnmasking() {
    fifo.start(1);
    int port = a.events.bindIpi(0);
    fifo.mask(port);
    assertTrue(a.events.isMasked(port));
    send(port);
    assertTrue(a.events.isPending(port));
    assertEquals(List.of(port), a.portsTold, "who polls is told");
    assertEquals(0, a.upcalls.get());
    fifo.unmask(port);
    assertEquals(1, a.upcalls.get());
    assertEquals(List.of(port), fifo.take(0));
    fifo.mask(port);
    assertEquals(0, a.events.unmask(port));
    assertFalse(a.events.isMasked(port));
    assertEquals(1, a.upcalls.get(), "nothing was pending");
  }

  @Test
  void anEventThatIsLinkedIsNotLinkedAgain() {
    fifo.start(1);
    int one = a.events.bindIpi(0);
    int two = a.events.bindIpi(0);
    send(one, two, one, two, one);
    assertEquals(List.of(one, two), a.portsTold);
    assertEquals(two, fifo.load(one) & FifoGuest.LINK);
    assertEquals(List.of(one, two), fifo.take(0));
  }

  @Test
  void whatWasPendingBeforeTheSwitchIsRaisedWhenItsPageComes() {
    int early = a.events.bindIpi(0);
    for (int port = 2; port < 1500; port++) {
      a.events.bindIpi(1);
    }
    a.setMasked(early, true);
    send(early, 1400, 1023);
    fifo.start(0);
    assertEquals(0, fifo.ready(0));
    assertTrue(a.events.isPending(early));
    assertTrue(a.events.isPending(1400));
    send(1024);
    fifo.expand();
    assertEquals(List.of(early), fifo.take(0), "masks are not carried over");
    assertEquals(List.of(1023), fifo.take(1));
    fifo.expand();
    assertEquals(List.of(1024, 1400), fifo.take(1));
    assertFalse(a.events.isPending(1400));
  }

  @Test
  void aPortThatIsClosedBeforeItsPageComesIsForgotten() {
    fifo.start(0);
    int port = a.events.bindIpi(0);
    send(port);
    assertEquals(0, a.events.close(port));
    fifo.expand();
    assertEquals(List.of(), fifo.take(0));
    assertEquals(0, fifo.load(port));
  }

  @Test
  void anEventStaysInItsQueueUntilItIsTakenAndThenChangesOver() {
    fifo.start(1);
    int mover = a.events.allocUnbound(1, 2);
    int far = b.events.bindInterdomain(1, mover);
    int other = a.events.bindIpi(0);
    assertEquals(0, b.events.send(far));
    assertEquals(0, a.events.bindVcpu(mover, 1));
    send(other);
    assertEquals(0, b.events.send(far));
    assertEquals(List.of(mover, other), fifo.take(0));
    assertEquals(List.of(), fifo.take(1));
    assertEquals(0, b.events.send(far));
    assertEquals(List.of(mover), fifo.take(1));
  }

  /** The old queue's tail is linked again, in another list: nothing may be chained to it there. */
  @Test
  void theTailOfAnOldQueueTakesNobodyAlong() {
    fifo.start(1);
    int mover = a.events.allocUnbound(1, 2);
    int far = b.events.bindInterdomain(1, mover);
    int other = a.events.bindIpi(0);
    assertEquals(0, b.events.send(far));
    assertEquals(List.of(mover), fifo.take(0));
    assertEquals(0, a.events.bindVcpu(mover, 1));
    assertEquals(0, b.events.send(far));
    send(other);
    assertEquals(List.of(other), fifo.take(0));
    assertEquals(List.of(mover), fifo.take(1));
    assertEquals(0, a.events.setPriority(mover, 1));
    assertEquals(0, b.events.send(far));
    int late = ipi(1, 7);
    send(late);
    assertEquals(List.of(mover, late), fifo.take(1));
  }

  @Test
  void theTailOfAQueueMayBeLinkedAgainThere() {
    fifo.start(1);
    int port = a.events.bindIpi(0);
    int other = a.events.bindIpi(0);
    for (int i = 0; i < 10; i++) {
      send(port);
      assertEquals(0, fifo.load(port) & FifoGuest.LINK, "no loop");
      assertEquals(List.of(port), fifo.take(0));
    }
    send(port, other);
    assertEquals(List.of(port, other), fifo.take(0));
  }

  @Test
  void aVcpuWithoutControlBlockHasItsEventsPending() {
    assertEquals(0, a.events.initControl(FRAME, 0, 0));
    fifo.expand();
    int port = a.events.bindIpi(1);
    send(port);
    assertTrue(a.events.isPending(port));
    assertEquals(0, fifo.load(port) & FifoGuest.LINKED);
    assertEquals(0, a.events.initControl(FRAME, 72, 1));
    assertEquals(0, a.events.unmask(port));
    assertEquals(List.of(port), fifo.take(1));
  }

  @Test
  void virtualInterruptsAndChannelsUseIt() {
    fifo.start(1);
    int timer = a.events.bindVirq(Virq.TIMER, 1);
    int far = b.events.allocUnbound(2, 1);
    int near = a.events.bindInterdomain(2, far);
    assertEquals(List.of(near), fifo.take(0), "pending when bound");
    a.events.raiseVirq(Virq.TIMER, 1);
    assertEquals(List.of(timer), fifo.take(1));
    assertEquals(0, b.events.send(far));
    assertEquals(1, a.events.pendingState(near));
    assertEquals(List.of(near), fifo.take(0));
    assertEquals(0, a.events.pendingState(near));
    assertEquals(0, a.events.send(near));
    assertEquals(List.of(far), b.takeEvents(0), "the other end has two levels");
  }

  @Test
  void resetGoesBackToTwoLevelsAndGivesThePagesBack() {
    fifo.start(2);
    int port = a.events.bindIpi(0);
    send(port);
    assertEquals(0, a.events.reset(1));
    assertEquals(0, fifo.references());
    assertEquals(-EOPNOTSUPP, a.events.expandArray(FRAME + 1));
    assertEquals(port, a.events.bindIpi(0));
    assertFalse(a.events.isPending(port));
    send(port);
    assertEquals(List.of(port), a.takeEvents(0));
    FifoGuest again = new FifoGuest(machine, a, FRAME + 8).start(1);
    send(port);
    assertEquals(List.of(port), again.take(0));
  }

  @Test
  void deathGivesThePagesBack() {
    fifo.start(3);
    int port = a.events.allocUnbound(1, 2);
    int far = b.events.bindInterdomain(1, port);
    a.events.closeAll();
    assertEquals(0, fifo.references());
    assertEquals(0, b.events.send(far));
    a.events.raiseVirq(Virq.TIMER, 0);
    assertEquals(0, fifo.load(port));
    assertEquals(-EINVAL, a.events.initControl(FRAME, 0, 0));
  }

  /** Whatever the words say, others' events arrive and nothing is written outside the pages. */
  @Test
  void aGuestThatLiesHarmsOnlyItself() {
    fifo.start(1);
    FifoGuest honest = new FifoGuest(machine, b, FRAME + 8).start(1);
    long before = (long) (FRAME + 2) * 4096;
    machine.memory().asSlice(before, 4096).fill((byte) 0x5A);
    int near = a.events.allocUnbound(1, 2);
    int far = b.events.bindInterdomain(1, near);
    honest.take(0);
    for (int port = 2; port < 200; port++) {
      a.events.bindIpi(port & 1);
    }
    Random random = new Random(99);
    for (int round = 0; round < 20_000; round++) {
      for (int i = 0; i < 4; i++) {
        fifo.store(random.nextInt(1024), random.nextInt());
      }
      machine
          .memory()
          .set(
              java.lang.foreign.ValueLayout.JAVA_INT,
              (long) FRAME * 4096 + 4L * random.nextInt(36),
              random.nextInt());
      int port = 2 + random.nextInt(198);
      assertEquals(0, a.events.send(port));
      assertEquals(0, a.events.unmask(port));
      assertEquals(0, a.events.setPriority(port, random.nextInt(16)));
      assertEquals(0, b.events.send(far));
      assertEquals(0, a.events.send(near));
      assertEquals(List.of(far), honest.take(0));
    }
    for (int i = 0; i < 4096; i++) {
      assertEquals(0x5A, machine.memory().get(java.lang.foreign.ValueLayout.JAVA_BYTE, before + i));
    }
  }

  /** Event words that point at one another are followed by the guest, never by the hypervisor. */
  @Test
  void aLoopInTheListIsTheGuestsOwn() {
    fifo.start(1);
    for (int port = 1; port < 10; port++) {
      a.events.bindIpi(0);
    }
    send(1, 2, 3);
    fifo.store(3, FifoGuest.PENDING | FifoGuest.LINKED | 1);
    send(4, 5, 6, 7, 8, 9);
    assertEquals(4, fifo.load(3) & FifoGuest.LINK, "the tail gets its successor all the same");
    assertEquals(List.of(1, 2, 3, 4, 5, 6, 7, 8, 9), fifo.take(0));
  }
}
