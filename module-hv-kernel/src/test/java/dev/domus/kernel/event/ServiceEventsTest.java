package dev.domus.kernel.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.service.PortStatus;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ServiceEventsTest {
  private final FakeMachine machine = new FakeMachine();
  private final ServiceEvents service = machine.service(0);
  private final FakeMachine.Guest guest = machine.guest(1, 1);

  @AfterEach
  void close() {
    service.close();
  }

  private int bind(int guestPort, Runnable handler) {
    return service.bind(() -> service.channels().bindInterdomain(1, guestPort), handler);
  }

  @Test
  void aHandlerIsCalledOnceForBindingAndForEachEventAfterIt() throws Exception {
    Semaphore calls = new Semaphore(0);
    int guestPort = guest.events.allocUnbound(1, 0);
    int port = bind(guestPort, calls::release);
    assertTrue(calls.tryAcquire(10, TimeUnit.SECONDS), "a new channel is pending");
    guest.events.send(guestPort);
    assertTrue(calls.tryAcquire(10, TimeUnit.SECONDS));
    service.channels().send(port);
    assertTrue(guest.pending(guestPort));
  }

  @Test
  void notificationsDuringACallMakeOneMoreCall() throws Exception {
    CountDownLatch entered = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    Semaphore calls = new Semaphore(0);
    int guestPort = guest.events.allocUnbound(1, 0);
    bind(
        guestPort,
        () -> {
          entered.countDown();
          awaitQuietly(go);
          calls.release();
        });
    entered.await();
    for (int i = 0; i < 100; i++) {
      guest.events.send(guestPort);
    }
    go.countDown();
    assertTrue(calls.tryAcquire(2, 10, TimeUnit.SECONDS));
    handshake();
    assertEquals(0, calls.availablePermits());
  }

  @Test
  void aFailingHandlerLosesItsPortAndNobodyElses() throws Exception {
    int bad = guest.events.allocUnbound(1, 0);
    int badPort =
        bind(
            bad,
            () -> {
              throw new IllegalStateException("this stack trace in the log is part of the test");
            });
    handshake();
    assertFalse(service.channels().isBound(badPort));
    assertEquals(PortStatus.UNBOUND, guest.events.status(bad).orElseThrow().state());
    handshake();
  }

  @Test
  void aClosedPortsHandlerIsNotCalledForItsSuccessor() throws Exception {
    AtomicInteger calls = new AtomicInteger();
    int guestPort = guest.events.allocUnbound(1, 0);
    Runnable handler = calls::incrementAndGet;
    int port = bind(guestPort, handler);
    handshake();
    service.close(port, handler);
    int before = calls.get();
    Semaphore fresh = new Semaphore(0);
    int second = guest.events.allocUnbound(1, 0);
    assertEquals(port, bind(second, fresh::release));
    assertTrue(fresh.tryAcquire(10, TimeUnit.SECONDS));
    assertEquals(before, calls.get());
    service.close(port, handler);
    assertTrue(service.channels().isBound(port), "it is somebody else's now");
  }

  @Test
  void thousandsOfPortsHaveHandlers() throws Exception {
    Semaphore calls = new Semaphore(0);
    int[] guestPorts = new int[3000];
    for (int i = 0; i < guestPorts.length; i++) {
      guestPorts[i] = guest.events.allocUnbound(1, 0);
      bind(guestPorts[i], calls::release);
    }
    assertTrue(calls.tryAcquire(guestPorts.length, 10, TimeUnit.SECONDS));
    for (int port : guestPorts) {
      guest.events.send(port);
    }
    assertTrue(calls.tryAcquire(guestPorts.length, 10, TimeUnit.SECONDS));
  }

  @Test
  void closingEndsTheThreadAndThePorts() {
    int guestPort = guest.events.allocUnbound(1, 0);
    bind(guestPort, () -> {});
    service.close();
    assertEquals(PortStatus.UNBOUND, guest.events.status(guestPort).orElseThrow().state());
    assertTrue(bind(guestPort, () -> {}) < 0);
  }

  /** Returns when everything that was pending before has been handled. */
  private void handshake() throws InterruptedException {
    for (int round = 0; round < 2; round++) {
      Semaphore reached = new Semaphore(0);
      int guestPort = guest.events.allocUnbound(1, 0);
      Runnable handler = reached::release;
      int port = bind(guestPort, handler);
      assertTrue(reached.tryAcquire(10, TimeUnit.SECONDS));
      service.close(port, handler);
      guest.events.close(guestPort);
    }
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
