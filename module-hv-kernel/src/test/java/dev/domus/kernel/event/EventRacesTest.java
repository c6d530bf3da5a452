package dev.domus.kernel.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Two threads against each other; a lost event shows as a time-out, a broken table as an exception.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class EventRacesTest {
  private static final int ROUNDS = 50_000;

  private final FakeMachine machine = new FakeMachine();
  private final FakeMachine.Guest a = machine.guest(1, 1);
  private final FakeMachine.Guest b = machine.guest(2, 1);

  /**
   * The sender goes on as soon as an event was taken, so that sends meet every step of the handler.
   */
  @Test
  void noEventIsLostBetweenASenderAndAGuestThatSleeps() throws Exception {
    int port = b.events.allocUnbound(2, 1);
    assertEquals(port, a.events.bindInterdomain(2, port));
    AtomicLong taken = new AtomicLong();
    AtomicLong sent = new AtomicLong();
    CompletableFuture<Void> guest =
        CompletableFuture.runAsync(() -> {
          b.sleeper = Thread.currentThread();
          while (taken.get() < ROUNDS) {
            while (!b.upcallPending(0)) {
              LockSupport.park(this);
            }
            if (!b.takeEvents(0).isEmpty()) {
              taken.set(sent.get());
            }
          }
        });
    for (int round = 1; round <= ROUNDS; round++) {
      sent.set(round);
      a.events.send(port);
      while (taken.get() < round) {
        Thread.onSpinWait();
      }
    }
    guest.get(10, TimeUnit.SECONDS);
  }

  @Test
  void sendersMeetClosingAndReuse() throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    CompletableFuture<Void> sender =
        CompletableFuture.runAsync(() -> {
          while (!over.get()) {
            for (int port = 1; port < 4; port++) {
              int result = a.events.send(port);
              assertTrue(result == 0 || result == -dev.domus.kernel.abi.Errno.EINVAL);
            }
          }
        });
    for (int round = 0; round < ROUNDS && !sender.isDone(); round++) {
      int far = b.events.allocUnbound(2, 1);
      int near = a.events.bindInterdomain(2, far);
      assertEquals(far, near);
      int ipi = b.events.bindIpi(0);
      assertEquals(0, round % 2 == 0 ? a.events.close(near) : b.events.close(far));
      assertEquals(0, round % 2 == 0 ? b.events.close(far) : a.events.close(near));
      assertEquals(0, b.events.close(ipi));
    }
    over.set(true);
    sender.get(10, TimeUnit.SECONDS);
  }

  /** Each domain binds to the other and closes: with the wrong lock order this stops. */
  @Test
  void domainsThatBindCrosswiseDoNotDeadlock() throws Exception {
    CompletableFuture<Void> other = CompletableFuture.runAsync(() -> bindAndClose(b, 2, a, 1));
    bindAndClose(a, 1, b, 2);
    other.get(30, TimeUnit.SECONDS);
  }

  private static void bindAndClose(
      FakeMachine.Guest near, int nearId, FakeMachine.Guest far, int farId) {
    for (int round = 0; round < ROUNDS; round++) {
      int farPort = far.events.allocUnbound(0, nearId);
      int nearPort = near.events.bindInterdomain(farId, farPort);
      assertTrue(nearPort > 0, () -> "bind: " + nearPort);
      assertEquals(0, near.events.close(nearPort));
      assertEquals(0, far.events.close(farPort));
    }
  }

  @Test
  void noNotificationOfAServiceDomainIsLost() throws Exception {
    try (ServiceEvents service = machine.service(0)) {
      AtomicLong sent = new AtomicLong();
      AtomicLong seen = new AtomicLong();
      int far = a.events.allocUnbound(1, 0);
      int near =
          service.bind(
              () -> service.channels().bindInterdomain(1, far), () -> seen.set(sent.get()));
      assertTrue(near > 0);
      for (int round = 1; round <= ROUNDS; round++) {
        sent.set(round);
        a.events.send(far);
        while (seen.get() < round) {
          Thread.onSpinWait();
        }
      }
    }
  }
}
