package dev.domus.kernel.time;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.dispatch.PcpuClock;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TimerQueueTest {
  private static final long SOON = 2_000_000;
  private static final long NEVER = 3_600_000_000_000L;

  private final TimerQueue queue = new TimerQueue(PcpuClock.REAL);

  @AfterEach
  void close() {
    queue.close();
  }

  @Test
  void timersFireInTheOrderOfTheirDeadlinesHoweverTheyAreArmed() throws InterruptedException {
    int count = 200;
    LinkedBlockingQueue<Integer> fired = new LinkedBlockingQueue<>();
    List<TimerQueue.Timer> timers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int number = i;
      timers.add(new TimerQueue.Timer(() -> fired.add(number)));
    }
    Random random = new Random(1);
    for (int round = 0; round < 5; round++) { // moved about: the heap has to keep its order
      for (TimerQueue.Timer timer : timers) {
        queue.arm(timer, System.nanoTime() + NEVER + random.nextInt(1_000_000));
      }
    }
    long start = System.nanoTime() + 50_000_000;
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      order.add((i * 67) % count);
    }
    for (int i : order) {
      queue.arm(timers.get(i), start + i * 1000L);
    }
    for (int i = 0; i < count; i++) {
      assertEquals(i, fired.poll(10, TimeUnit.SECONDS));
    }
  }

  @Test
  void aDisarmedTimerDoesNotFire() throws InterruptedException {
    AtomicInteger fired = new AtomicInteger();
    TimerQueue.Timer timer = new TimerQueue.Timer(fired::incrementAndGet);
    CountDownLatch later = new CountDownLatch(1);
    queue.arm(timer, System.nanoTime() + 20 * SOON);
    queue.disarm(timer);
    queue.arm(new TimerQueue.Timer(later::countDown), System.nanoTime() + 25 * SOON);
    assertTrue(later.await(10, TimeUnit.SECONDS));
    assertEquals(0, fired.get());
  }

  @Test
  void aTimerNeverFiresBeforeItsDeadline() throws InterruptedException {
    long[] firedAt = new long[1];
    CountDownLatch fired = new CountDownLatch(1);
    long deadline = System.nanoTime() + SOON;
    TimerQueue.Timer timer =
        new TimerQueue.Timer(() -> {
          firedAt[0] = System.nanoTime();
          fired.countDown();
        });
    queue.arm(timer, deadline);
    assertTrue(fired.await(10, TimeUnit.SECONDS));
    assertFalse(firedAt[0] - deadline < 0);
  }

  @Test
  void anEarlierTimerOvertakesTheOneThatIsWaitedFor() throws InterruptedException {
    CountDownLatch early = new CountDownLatch(1);
    queue.arm(new TimerQueue.Timer(() -> {}), System.nanoTime() + NEVER);
    queue.arm(new TimerQueue.Timer(early::countDown), System.nanoTime() + SOON);
    assertTrue(early.await(10, TimeUnit.SECONDS));
  }
}
