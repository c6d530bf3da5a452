package dev.domus.iommu;

import static dev.domus.iommu.IoDomain.READ;
import static dev.domus.iommu.IoDomain.WRITE;
import static dev.domus.iommu.TestMachine.DEVICE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Who waits for whom: an access that is held in the middle, by its announcement, while pages go.
 */
class InvalidationTest {
  private static final long IOVA = 0x40_0000;
  private static final int PATIENCE = 2000;

  private final TestMachine machine = TestMachine.usual();
  private final IommuUnit unit = machine.unit;
  private final IoDomain domain = unit.newDomain();
  private final DmaPort port = unit.newPort(DEVICE);
  private final MemorySegment buffer = MemorySegment.ofArray(new long[8]);

  @BeforeEach
  void map() {
    unit.attach(DEVICE, domain);
    assertEquals(IoDomain.OK, domain.map(IOVA, machine.frame(1), 1, READ | WRITE));
    assertEquals(DmaPort.OK, port.read(IOVA, buffer, 0, 8));
  }

  @AfterEach
  void close() {
    machine.close();
  }

  /** Starts something that is to wait, and lets it run until it could have been over. */
  private static CompletableFuture<Void> begun(Runnable what) {
    CompletableFuture<Void> running = CompletableFuture.runAsync(what);
    for (int i = 0; i < PATIENCE && !running.isDone(); i++) {
      Thread.yield();
    }
    return running;
  }

  private void assertWaits(Runnable what) {
    int slot = port.announcements().enter(domain.id(), IOVA);
    CompletableFuture<Void> running = begun(what);
    assertFalse(running.isDone(), "an access is under way");
    port.announcements().leave(slot);
    running.join();
  }

  @Test
  void anUnmapWaitsForAnAccessToThePage() {
    assertWaits(() -> assertEquals(1, domain.unmap(IOVA, 1)));
  }

  @Test
  void aFlushWaitsForAnyAccessOfTheDomain() {
    assertWaits(domain::flush);
  }

  @Test
  void theQueueWaitsToo() {
    unit.queue().pages(domain.id(), IOVA, 0, true);
    assertWaits(() -> assertTrue(unit.queue().ring()));
  }

  @Test
  void detachingWaits() {
    assertWaits(() -> unit.detach(DEVICE));
  }

  @Test
  void revokingAndBlockingWait() {
    assertWaits(port::block);
    port.unblock();
    assertEquals(DmaPort.OK, port.read(IOVA, buffer, 0, 8));
    assertWaits(port::revoke);
  }

  @Test
  void anInterruptIsWaitedForByWhoeverClearsItsEntry() {
    assertWaits(() -> unit.interrupts().clear(3));
  }

  @Test
  void theSecondBlockOfACopyCounts() {
    int slot = port.announcements().enter(domain.id(), IOVA + (8 << 16));
    port.announcements().alsoEnter(slot, domain.id(), IOVA);
    CompletableFuture<Void> running = begun(() -> domain.unmap(IOVA, 1));
    assertFalse(running.isDone());
    port.announcements().alsoLeave(slot);
    port.announcements().leave(slot);
    running.join();
  }

  @Test
  void nobodyWaitsForAnAccessToSomethingElse() {
    IoDomain other = unit.newDomain();
    other.map(IOVA, machine.frame(2), 1, READ);
    int slot = port.announcements().enter(domain.id(), IOVA + Announcements.BLOCK);

    assertEquals(1, domain.unmap(IOVA, 1));
    other.flush();

    port.announcements().leave(slot);
  }

  @Test
  void nobodyWaitsForMoreThanOneAccess() {
    int slot = port.announcements().enter(domain.id(), IOVA);
    CompletableFuture<Void> running = begun(() -> domain.unmap(IOVA, 1));
    assertFalse(running.isDone());
    port.announcements().leave(slot);
    slot = port.announcements().enter(domain.id(), IOVA); // the same block, at once again
    for (int i = 0; i < PATIENCE; i++) {
      Thread.yield();
    }
    port.announcements().leave(slot); // the second round may have met this one, and no other
    running.join();
  }

  /** An access that had walked before the page went inserts what it found only afterwards. */
  @Test
  void whatAnAccessUnderWayPutsBackIsForgotten() {
    SecondLevelWalk walk = unit.walk();
    long key = walk.small.key(domain.id(), IOVA);
    int slot = port.announcements().enter(domain.id(), IOVA);
    CompletableFuture<Void> running = begun(() -> domain.unmap(IOVA, 1));
    assertFalse(running.isDone());
    awaitWithdrawn(IOVA);
    walk.small.insert(key, 0x5000 | 3);
    port.announcements().leave(slot);
    running.join();

    assertEquals(TranslationCache.MISS, walk.small.find(key));
  }

  private void awaitWithdrawn(long iova) {
    while (domain.lookup(iova) != 0) {
      Thread.onSpinWait();
    }
  }

  /** The same of a large page, by an access to another part of it than what goes. */
  @Test
  void whatAnAccessUnderWayPutsBackOfALargePageIsForgotten() {
    long large = 0x80_0000;
    assertEquals(IoDomain.OK, domain.map(large, 1024, 512, READ));
    SecondLevelWalk walk = unit.walk();
    long key = walk.large.key(domain.id(), large);
    int slot = port.announcements().enter(domain.id(), large + (4 << 16));
    CompletableFuture<Void> running = begun(() -> domain.unmap(large + 0x5000, 1));
    assertFalse(running.isDone());
    awaitWithdrawn(large + 0x5000);
    walk.large.insert(key, 1024L << 12 | 1);
    port.announcements().leave(slot);
    running.join();

    assertEquals(TranslationCache.MISS, walk.large.find(key));
  }

  @Test
  void aPageThatIsCutOutOfALargeOneIsForgotten() {
    long large = 0x80_0000;
    assertEquals(IoDomain.OK, domain.map(large, 1024, 512, READ));
    assertEquals(DmaPort.OK, port.read(large + 0x3000, buffer, 0, 8));
    assertEquals(1, unit.walk().large.size());

    assertEquals(1, domain.unmap(large + 0x5000, 1));

    assertNotEquals(DmaPort.OK, port.read(large + 0x5000, buffer, 0, 8));
    assertEquals(DmaPort.OK, port.read(large + 0x4000, buffer, 0, 8));
    assertEquals(511, domain.unmap(large, 512));
    assertNotEquals(DmaPort.OK, port.read(large + 0x4000, buffer, 0, 8));
  }

  @Test
  void aTableThatWentIsNotWalked() {
    long far = 1L << 40;
    assertEquals(IoDomain.OK, domain.map(far, machine.frame(7), 1, READ));
    assertEquals(DmaPort.OK, port.read(far, buffer, 0, 8));
    assertTrue(unit.walk().tables.size() > 0);

    assertEquals(1, domain.unmap(far, 512));

    long kept = unit.walk().tables.find(unit.walk().tables.key(domain.id(), far));
    assertEquals(TranslationCache.MISS, kept, "its frame has another use by now");
    assertNotEquals(DmaPort.OK, port.read(far, buffer, 0, 8));
  }
}
