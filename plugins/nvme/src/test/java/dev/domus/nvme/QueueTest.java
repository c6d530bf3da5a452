package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Queues that fill, wrap, are deleted and reset while they are worked on; and interrupts. */
class QueueTest {
  private static final int FLUSH = 0, READ = 2;

  private static Command read(int block) {
    return Command.io(READ, block, 1).prp(Driver.DATA, 0);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 7, 1024})
  void phasesChangeWithEachTurn(int entries) {
    try (Driver driver = Driver.enabled()) {
      Driver.Queue queue = driver.queue(1, entries);
      for (int i = 0; i < entries * 3 + 1; i++) {
        Completion completion = queue.run(read(i % 100));
        assertEquals(0, completion.status());
        assertEquals(queue.tail, completion.head(), "software learns what was fetched");
      }
    }
  }

  @Test
  void aFullCompletionQueueHoldsWorkUpAndLosesNothing() {
    try (Driver driver = Driver.enabled()) {
      long base = Driver.QUEUES;
      driver.memory.map(base, 2);
      driver.expect(0, Driver.createCq(1, 4, base, 1)); // room for three
      driver.expect(0, Driver.createSq(1, 16, base + 4096, 1));
      Driver.Queue queue = driver.new Queue(1, base + 4096, base, 4);
      Driver.Queue submit = driver.new Queue(1, base + 4096, base, 16);
      for (int i = 0; i < 10; i++) {
        submit.put(read(i));
      }
      submit.ring();
      Set<Integer> ids = new HashSet<>();
      for (int i = 0; i < 10; i++) {
        Completion completion = queue.take();
        assertTrue(ids.add(completion.commandId()), "once each");
        assertTrue(completion.head() <= i + 3, "no more fetched than there is room for");
        queue.ringHead(queue.head);
      }
      assertEquals(10, ids.size());
    }
  }

  @Test
  void severalQueuesShareACompletionQueue() {
    try (Driver driver = Driver.enabled()) {
      Driver.Queue first = driver.queue(1, 8);
      driver.memory.map(0x200_0000, 1);
      driver.expect(0, Driver.createSq(2, 8, 0x200_0000, 1));
      Driver.Queue second = driver.new Queue(2, 0x200_0000, 0, 8);
      first.put(read(0));
      second.put(read(1));
      first.ring();
      second.ring();
      Set<Integer> of = new HashSet<>();
      of.add(first.take().queue());
      of.add(first.take().queue());
      assertEquals(Set.of(1, 2), of);
      driver.expect(0, Driver.deleteSq(2));
      driver.expect(0x10c, Driver.deleteCq(1));
    }
  }

  /** The worker is held up in a flush while commands wait behind it and the queue is deleted. */
  @Test
  void whatIsInAQueueThatIsDeletedIsAborted() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    disk.flushGate = new CountDownLatch(1);
    try (Driver driver = Driver.enabled(disk, 9, 2)) {
      Driver.Queue queue = driver.queue(1, 16);
      final int flush = queue.put(new Command(FLUSH, 1));
      for (int i = 0; i < 8; i++) {
        queue.put(read(i));
      }
      queue.ring();
      driver.bus.await("the flush", () -> disk.flushing.getCount() == 0);
      int delete = driver.admin.put(Driver.deleteSq(1));
      driver.admin.ring();
      SubmissionQueue ofDevice = driver.controller.session().submission(1);
      driver.bus.await("the deletion", () -> ofDevice.deleting);
      assertFalse(driver.admin.hasCompletion(), "not before the flush is done");
      disk.flushGate.countDown();
      assertEquals(delete, driver.admin.take().commandId());
      Completion first = queue.take();
      assertEquals(flush, first.commandId());
      assertEquals(0, first.status());
      for (int i = 0; i < 8; i++) {
        assertEquals(0x008, queue.take().status(), "aborted due to SQ deletion");
      }
      assertFalse(queue.hasCompletion());
    }
  }

  @Test
  void deletionUnderLoadEndsEachTime() {
    try (Driver driver = Driver.enabled()) {
      for (int round = 0; round < 50; round++) {
        Driver.Queue queue = driver.queue(1 + round % 4, 256);
        for (int i = 0; i < 200; i++) {
          queue.put(read(i));
          if (i % 16 == 0) {
            queue.ring();
          }
        }
        queue.ring();
        driver.expect(0, Driver.deleteSq(queue.id));
        Set<Integer> ids = new HashSet<>();
        while (queue.hasCompletion()) {
          Completion completion = queue.take();
          assertTrue(completion.status() == 0 || completion.status() == 0x008);
          assertTrue(ids.add(completion.commandId()));
        }
        assertEquals(200, ids.size(), "each has a completion");
        driver.expect(0, Driver.deleteCq(queue.id));
      }
    }
  }

  @Test
  void disablesAndResetsUnderLoadLeaveNothingUnderWay() {
    try (Driver driver = Driver.enabled()) {
      for (int round = 0; round < 60; round++) {
        Driver.Queue[] queues = {driver.queue(1, 64), driver.queue(2, 64)};
        for (int i = 0; i < 60; i++) {
          for (Driver.Queue queue : queues) {
            queue.put(read(i));
            queue.ring();
          }
        }
        if (round % 2 == 0) {
          driver.disable();
        } else {
          driver.bus.reset();
        }
        long faults = driver.memory.faults();
        driver.memory.put(queues[0].cq, new byte[4096]);
        driver.memory.put(Driver.DATA, new byte[512]);
        driver.memory.putInt(Driver.DATA, 7);
        driver.enable();
        assertEquals(7, driver.memory.getInt(Driver.DATA), "nothing arrives late");
        assertFalse(driver.new Queue(1, 0, queues[0].cq, 64).hasCompletion());
        assertEquals(faults, driver.memory.faults());
      }
    }
  }

  /** A write changes the disk: when a reset has returned, none may still be under way. */
  @Test
  void aResetWaitsForAWrite() throws InterruptedException {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    disk.writeGate = new CountDownLatch(1);
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      Driver.Queue queue = driver.queue(1, 16);
      queue.put(Command.io(1, 0, 1).prp(Driver.DATA, 0));
      queue.ring();
      driver.bus.await("the write", () -> disk.writing.getCount() == 0);
      Thread resetter = Thread.ofPlatform().start(driver.bus::reset);
      driver.bus.await(
          "the reset waits or ends",
          () ->
              resetter.getState() == Thread.State.TIMED_WAITING
                  || resetter.getState() == Thread.State.TERMINATED);
      assertTrue(resetter.isAlive(), "it waits");
      disk.writeGate.countDown();
      resetter.join();
      driver.enable();
    }
  }

  @Test
  void aDisableIsNotOverBeforeAWriteIs() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    disk.writeGate = new CountDownLatch(1);
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      Driver.Queue queue = driver.queue(1, 16);
      queue.put(Command.io(1, 0, 1).prp(Driver.DATA, 0));
      queue.ring();
      driver.bus.await("the write", () -> disk.writing.getCount() == 0);
      driver.bus.store(0, Driver.CC, 4, Driver.ENABLED & ~1);
      Thread admin = driver.bus.worker("admin");
      driver.bus.await(
          "the disable waits or ends",
          () -> admin.getState() == Thread.State.TIMED_WAITING || driver.csts() == 0);
      assertEquals(1, driver.csts(), "RDY as long as it waits");
      driver.bus.store(0, Driver.CC, 4, Driver.ENABLED); // remembered
      disk.writeGate.countDown();
      driver.memory.put(Driver.ADMIN_CQ, new byte[4096]);
      driver.admin = driver.new Queue(0, Driver.ADMIN_SQ, Driver.ADMIN_CQ, Driver.ADMIN_ENTRIES);
      driver.bus.await("another session", () -> driver.controller.session() != null);
      driver.expect(0x101, Driver.deleteSq(1));
    }
  }

  /** Indices that go back, or over what is still to be fetched, add more than there is room for. */
  @Test
  void aTailThatGoesBackIsNotTaken() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    disk.flushGate = new CountDownLatch(1);
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      Driver.Queue queue = driver.queue(1, 8);
      queue.put(new Command(FLUSH, 1));
      queue.put(read(0));
      queue.put(read(1));
      queue.ring();
      driver.bus.await("the flush", () -> disk.flushing.getCount() == 0);
      queue.ringTail(2);
      queue.ringTail(1);
      disk.flushGate.countDown();
      for (int i = 0; i < 3; i++) {
        assertEquals(i, queue.take().commandId());
      }
      driver.admin.put(Command.admin(12));
      driver.admin.ring();
      assertEquals(1 << 8 | 1 << 16, driver.admin.take().result(), "invalid doorbell value");
      queue.ringHead(queue.head);
      assertEquals(0, queue.run(read(2)).status());
    }
  }

  /** A host's flush may take seconds; neither a disable nor a reset waits for it. */
  @Test
  void aResetDoesNotWaitForAFlush() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    disk.flushGate = new CountDownLatch(1);
    try (Driver driver = Driver.enabled(disk, 9, 2)) {
      Driver.Queue queue = driver.queue(1, 16);
      queue.put(new Command(FLUSH, 1));
      queue.ring();
      driver.bus.await("the flush", () -> disk.flushing.getCount() == 0);
      driver.disable();
      driver.enable();
      driver.bus.reset();
      driver.enable();
      Driver.Queue other = driver.queue(2, 16);
      assertEquals(0, other.run(read(1)).status());
      queue = driver.queue(1, 16); // its worker is still in the host
      queue.nextId = 100;
      disk.flushGate.countDown();
      Completion completion = queue.run(read(1));
      assertEquals(100, completion.commandId(), "the flush of the last session has none");
    }
  }

  @Test
  void thereIsNoMoreThanOneInterruptACompletion() {
    try (Driver driver = Driver.enabled()) {
      Driver.Queue queue = driver.queue(1, 1024);
      for (int i = 0; i < 1000; i++) {
        queue.put(read(i % 100));
      }
      queue.ring();
      for (int i = 0; i < 1000; i++) {
        queue.take();
      }
      driver.bus.await("an interrupt", () -> driver.bus.interrupts(1) != 0);
      assertTrue(driver.bus.interrupts(1) <= 1000);
      assertEquals(0, driver.bus.interrupts(2));
      queue.ringHead(queue.head);
      long before = driver.bus.interrupts(1);
      assertEquals(0, queue.run(read(1)).status());
      driver.bus.await("the last one", () -> driver.bus.interrupts(1) == before + 1);
    }
  }

  @Test
  void coalescingHoldsInterruptsBackUntilTheThresholdOrTheTime() {
    try (Driver driver = Driver.enabled()) {
      // Sixty-four completions, or 25.5 ms.
      driver.expect(0, Command.admin(9).dword(10, 8).dword(11, 63 | 255 << 8));
      Driver.Queue queue = driver.queue(1, 1024);
      for (int i = 0; i < 800; i++) {
        queue.put(read(i % 100));
      }
      long begin = System.nanoTime();
      queue.ring();
      for (int i = 0; i < 800; i++) {
        queue.take();
      }
      queue.ringHead(queue.head);
      driver.bus.await("interrupts", () -> driver.bus.interrupts(1) > 0);
      long most = 800 / 64 + (System.nanoTime() - begin) / 25_500_000 + 1;
      assertTrue(driver.bus.interrupts(1) <= most, "one for 64, or for 25.5 ms, at most");
      driver.bus.await("the rest", () -> driver.controller.session().completion(1).untold == 0);
      long before = driver.bus.interrupts(1);
      begin = System.nanoTime();
      queue.run(read(0));
      driver.bus.await("the time", () -> driver.bus.interrupts(1) > before);
      assertTrue(System.nanoTime() - begin >= 25_000_000, "not at once");
      driver.expect(0, Command.admin(9).dword(10, 9).dword(11, 1 | 1 << 16)); // not this vector
      long then = driver.bus.interrupts(1);
      queue.run(read(0));
      driver.bus.await("an interrupt at once", () -> driver.bus.interrupts(1) == then + 1);
    }
  }

  @Test
  void aQueueWithoutInterruptsIsSilent() {
    try (Driver driver = Driver.enabled()) {
      driver.memory.map(Driver.QUEUES, 2);
      driver.expect(
          0, Command.admin(5).prp(Driver.QUEUES, 0).dword(10, 1 | 7 << 16).dword(11, 1 | 1 << 16));
      driver.expect(0, Driver.createSq(1, 8, Driver.QUEUES + 4096, 1));
      Driver.Queue queue = driver.new Queue(1, Driver.QUEUES + 4096, Driver.QUEUES, 8);
      assertEquals(0, queue.run(read(0)).status());
      driver.expect(0, Driver.deleteSq(1));
      assertEquals(0, driver.bus.interrupts(1));
    }
  }

  @Test
  void aQueueThatLeavesMemoryIsFatal() {
    try (Driver driver = Driver.enabled()) {
      Driver.Queue queue = driver.queue(1, 8);
      driver.memory.unmap(queue.cq, 1);
      queue.put(read(0));
      queue.ring();
      driver.awaitStatus(2, 2);
      driver.disable();
      driver.enable();
    }
  }
}
