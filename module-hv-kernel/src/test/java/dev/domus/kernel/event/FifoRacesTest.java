package dev.domus.kernel.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Senders against a guest that takes, masks and moves its FIFO events at the same time. Every
 * sender waits until its event was taken before it sends the next, so a lost one is a time-out.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class FifoRacesTest {
  private static final int ROUNDS = 5_000;
  private static final int FRAME = FakeMachine.FIRST_ORDINARY;

  private final FakeMachine machine = new FakeMachine();
  private final FakeMachine.Guest a = machine.guest(1, 2);
  private final FakeMachine.Guest b = machine.guest(2, 1);
  private final FifoGuest fifo = new FifoGuest(machine, a, FRAME);
  private final AtomicBoolean over = new AtomicBoolean();

  /** What was last sent by a port, and what had been sent when it was last taken. */
  private final AtomicLongArray sent = new AtomicLongArray(64);

  private final AtomicLongArray taken = new AtomicLongArray(64);

  /** The guest's vCPU: takes what comes until all is over. */
  private CompletableFuture<Void> consumer(int vcpu) {
    return async(() -> {
      while (!over.get()) {
        if (fifo.upcallPending(vcpu)) {
          for (int port : fifo.take(vcpu)) {
            taken.set(port, sent.get(port));
          }
        } else {
          Thread.yield();
        }
      }
    });
  }

  /** On a thread of its own: those here wait for one another. */
  private static CompletableFuture<Void> async(Runnable action) {
    return CompletableFuture.runAsync(action, task -> Thread.ofPlatform().daemon().start(task));
  }

  private int[] connect(int count) {
    int[] far = new int[count + 1];
    for (int i = 1; i <= count; i++) {
      int port = a.events.allocUnbound(1, 2);
      assertEquals(i, port);
      far[i] = b.events.bindInterdomain(1, port);
    }
    return far;
  }

  private CompletableFuture<Void> sender(int[] far, int firstPort, int lastPort) {
    return async(() -> {
      for (long round = 1; round <= ROUNDS; round++) {
        for (int port = firstPort; port <= lastPort; port++) {
          sent.set(port, round);
          assertEquals(0, b.events.send(far[port]));
        }
        for (int port = firstPort; port <= lastPort; port++) {
          while (taken.get(port) < round) {
            Thread.yield();
          }
        }
      }
    });
  }

  private void finish(CompletableFuture<?>... consumers) throws Exception {
    over.set(true);
    for (CompletableFuture<?> consumer : consumers) {
      consumer.get(10, TimeUnit.SECONDS);
    }
  }

  @Test
  void noEventOfSeveralSendersIsLost() throws Exception {
    a.sleeper = Thread.currentThread();
    fifo.start(1);
    int[] far = connect(12);
    CompletableFuture<Void> guest = consumer(0);
    CompletableFuture<Void> one = sender(far, 1, 4);
    CompletableFuture<Void> two = sender(far, 5, 8);
    CompletableFuture<Void> three = sender(far, 9, 12);
    CompletableFuture.allOf(one, two, three).get(30, TimeUnit.SECONDS);
    finish(guest);
  }

  @Test
  void sendsMeetMovesToOtherVcpusAndPriorities() throws Exception {
    a.sleeper = Thread.currentThread();
    fifo.start(1);
    int[] far = connect(8);
    CompletableFuture<Void> zero = consumer(0);
    CompletableFuture<Void> first = consumer(1);
    CompletableFuture<Void> mover =
        async(() -> {
          ThreadLocalRandom random = ThreadLocalRandom.current();
          while (!over.get()) {
            int port = 1 + random.nextInt(8);
            assertEquals(0, a.events.bindVcpu(port, random.nextInt(2)));
            assertEquals(0, a.events.setPriority(port, random.nextInt(3)));
          }
        });
    CompletableFuture<Void> one = sender(far, 1, 4);
    CompletableFuture<Void> two = sender(far, 5, 8);
    CompletableFuture.allOf(one, two).get(30, TimeUnit.SECONDS);
    finish(zero, first, mover);
  }

  @Test
  void sendsMeetMaskingAndUnmasking() throws Exception {
    a.sleeper = Thread.currentThread();
    fifo.start(1);
    int[] far = connect(4);
    CompletableFuture<Void> guest = consumer(0);
    CompletableFuture<Void> masker =
        async(() -> {
          while (!over.get()) {
            int port = 1 + ThreadLocalRandom.current().nextInt(4);
            fifo.mask(port);
            fifo.unmask(port);
          }
        });
    CompletableFuture<Void> one = sender(far, 1, 2);
    CompletableFuture<Void> two = sender(far, 3, 4);
    CompletableFuture.allOf(one, two).get(30, TimeUnit.SECONDS);
    finish(guest, masker);
  }

  /** The switch to FIFO, then the page, while events are being sent: none of them is forgotten. */
  @Test
  void sendsMeetTheSwitchAndTheFirstPage() throws Exception {
    a.sleeper = Thread.currentThread();
    int[] far = connect(2);
    a.takeEvents(0);
    for (int round = 1; round <= 3_000; round++) {
      AtomicBoolean go = new AtomicBoolean();
      CompletableFuture<Void> sender =
          async(() -> {
            while (!go.get()) {
              Thread.yield();
            }
            assertEquals(0, b.events.send(far[1]));
            assertEquals(0, b.events.send(far[2]));
          });
      go.set(true);
      FifoGuest fresh = new FifoGuest(machine, a, FRAME).start(1);
      sender.get(10, TimeUnit.SECONDS);
      assertEquals(3, fresh.take(0).stream().mapToInt(Integer::intValue).sum(), "ports 1 and 2");
      assertEquals(0, a.events.reset(1));
      a.clear();
      machine.memory().asSlice((long) FRAME * 4096, 2 * 4096).fill((byte) 0);
      for (int i = 1; i <= 2; i++) {
        assertEquals(i, a.events.allocUnbound(1, 2));
        assertEquals(0, b.events.close(far[i]));
        far[i] = b.events.bindInterdomain(1, i);
      }
    }
  }

  /** When the reset has returned, nobody writes to the pages any more. */
  @Test
  void aLateSendDoesNotTouchPagesGivenBack() throws Exception {
    a.sleeper = Thread.currentThread();
    CompletableFuture<Void> sender =
        async(() -> {
          while (!over.get()) {
            for (int port = 1; port < 4; port++) {
              b.events.send(port);
            }
          }
        });
    for (int round = 0; round < ROUNDS && !sender.isDone(); round++) {
      FifoGuest fresh = new FifoGuest(machine, a, FRAME).start(1);
      for (int i = 0; i < 3; i++) {
        int port = a.events.allocUnbound(1, 2);
        assertTrue(b.events.bindInterdomain(1, port) > 0);
      }
      fresh.take(0);
      assertEquals(0, a.events.reset(1));
      assertEquals(0, fresh.references());
      machine.memory().asSlice((long) FRAME * 4096, 2 * 4096).fill((byte) 0);
      assertEquals(0, b.events.reset(2));
      for (int offset = 0; offset < 2 * 4096; offset += 8) {
        assertEquals(0, machine.memory().get(ValueLayout.JAVA_LONG, (long) FRAME * 4096 + offset));
      }
    }
    over.set(true);
    sender.get(10, TimeUnit.SECONDS);
  }

  /** After the death of a domain nobody writes to its shared info page or its event pages. */
  @Test
  void aLateSendDoesNotTouchADeadDomain() throws Exception {
    for (int round = 0; round < 300; round++) {
      FakeMachine world = new FakeMachine();
      FakeMachine.Guest victim = world.guest(1, 1);
      FakeMachine.Guest stranger = world.guest(2, 1);
      victim.sleeper = Thread.currentThread();
      if ((round & 1) == 0) {
        new FifoGuest(world, victim, FRAME).start(1);
      }
      int far = stranger.events.bindInterdomain(1, victim.events.allocUnbound(1, 2));
      CompletableFuture<Void> sender =
          async(() -> {
            for (int i = 0; i < 2_000; i++) {
              assertEquals(0, stranger.events.send(far));
            }
          });
      victim.events.closeAll();
      victim.clear();
      world.memory().asSlice((long) FRAME * 4096, 2 * 4096).fill((byte) 0);
      int upcalls = victim.upcalls.get();
      sender.get(10, TimeUnit.SECONDS);
      assertEquals(upcalls, victim.upcalls.get());
      assertEquals(
          -1,
          world.memory().asSlice(4096, 4096).mismatch(world.memory().asSlice(0, 4096)),
          "the shared info page stays empty");
      assertEquals(
          -1,
          world
              .memory()
              .asSlice((long) FRAME * 4096, 4096)
              .mismatch(world.memory().asSlice((long) (FRAME + 1) * 4096, 4096)));
    }
  }
}
