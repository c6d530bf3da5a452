package dev.domus.iommu;

import static dev.domus.iommu.IoDomain.READ;
import static dev.domus.iommu.IoDomain.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Devices on other threads while frames are taken from them and have a next owner at once: he
 * writes a canary all over the frame, and finds it whole a little later, or a device has reached
 * the frame after {@code unmap} had returned. Devices read the frame too: what they read is what
 * was there while it was mapped, never the canary.
 */
class FrameReuseTest {
  private static final long CANARY = 0x00CA_4A21_00CA_4A21L;
  private static final int PAGES = 8;
  private static final int WORDS = 512;
  private static final long MILLIS = 1500;

  private final TestMachine machine = TestMachine.usual();
  private final IommuUnit unit = machine.unit;
  private final IoDomain domain = unit.newDomain();
  private final AtomicBoolean over = new AtomicBoolean();
  private final AtomicLong accesses = new AtomicLong();
  private final AtomicLong refused = new AtomicLong();

  @AfterEach
  void close() {
    machine.close();
  }

  /** How the range is taken away. */
  private interface Taking {
    void take(long iova, int pages);
  }

  private void device(RequesterId requester) {
    DmaPort port = unit.newPort(requester);
    MemorySegment mine = MemorySegment.ofArray(new long[PAGES * WORDS]);
    MemorySegment ones = MemorySegment.ofArray(new long[PAGES * WORDS]);
    ones.fill((byte) 1);
    ThreadLocalRandom random = ThreadLocalRandom.current();
    while (!over.get()) {
      long iova = random.nextInt(PAGES) * 4096L;
      int status =
          switch (random.nextInt(6)) {
            case 0 -> port.write(iova, ones, 0, 4096);
            case 1 -> port.storeLong(iova + 8, 0x0101_0101_0101_0101L);
            case 2 -> port.write(0, ones, 0, PAGES * 4096L);
            case 3 -> port.copy(iova, iova ^ 4096, 4096);
            case 4 -> port.fill(iova, 64, (byte) 1);
            default -> {
              mine.fill((byte) 1);
              int read = port.read(iova, mine, 0, 4096);
              for (int i = 0; i < WORDS; i++) {
                assertTrue(mine.getAtIndex(ValueLayout.JAVA_LONG, i) != CANARY, "read the canary");
              }
              yield read;
            }
          };
      (status == DmaPort.OK ? accesses : refused).incrementAndGet();
    }
  }

  private void owner(Taking taking, boolean large) {
    long end = System.nanoTime() + MILLIS * 1_000_000;
    while (System.nanoTime() - end < 0) {
      int order = large ? 9 : 3;
      long mfn = machine.allocator.allocate(order);
      assertEquals(IoDomain.OK, domain.map(0, mfn, 1 << order, READ | WRITE));
      for (long before = accesses.get();
          accesses.get() == before && System.nanoTime() - end < 0; ) {
        Thread.yield(); // whatever else the host is doing, a device has been there
      }
      for (int spins = ThreadLocalRandom.current().nextInt(3000); spins > 0; spins--) {
        Thread.onSpinWait();
      }
      taking.take(0, 1 << order);
      MemorySegment frames = machine.segment().asSlice(mfn << 12, PAGES * 4096L);
      for (int i = 0; i < PAGES * WORDS; i++) {
        frames.setAtIndex(ValueLayout.JAVA_LONG, i, CANARY);
      }
      for (int spins = ThreadLocalRandom.current().nextInt(2000); spins > 0; spins--) {
        Thread.onSpinWait();
      }
      for (int i = 0; i < PAGES * WORDS; i++) {
        assertEquals(
            CANARY,
            frames.getAtIndex(ValueLayout.JAVA_LONG, i),
            "a device has written after unmap");
      }
      frames.fill((byte) 0);
      machine.allocator.free(mfn, order);
    }
  }

  private void run(Taking taking, boolean large) throws Exception {
    try (ExecutorService pool = Executors.newCachedThreadPool()) {
      List<Future<?>> devices = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        RequesterId requester = RequesterId.of(0, i, 0);
        unit.attach(requester, domain);
        devices.add(pool.submit(() -> device(requester)));
      }
      try {
        pool.submit(() -> owner(taking, large)).get();
      } finally {
        over.set(true);
      }
      for (Future<?> device : devices) {
        device.get();
      }
    }
    assertTrue(accesses.get() > 0, "accesses " + accesses);
    assertTrue(refused.get() > 0, "refused " + refused);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aFrameThatWasUnmappedIsNotReached(boolean large) throws Exception {
    run((iova, pages) -> assertEquals(pages, domain.unmap(iova, pages)), large);
  }

  @Test
  void norAfterPageByPageAndOneFlush() throws Exception {
    run(
        (iova, pages) -> {
          for (int i = 0; i < pages; i++) {
            assertEquals(1, domain.withdraw(iova + i * 4096L, 1));
          }
          domain.flush();
        },
        false);
  }

  @Test
  void norAfterTheQueueHasBeenRung() throws Exception {
    run(
        (iova, pages) -> {
          assertEquals(pages, domain.withdraw(iova, pages));
          unit.queue().pages(domain.id(), iova, 3, true);
          unit.queue().ring();
        },
        false);
  }

  @Test
  void norAfterTheDevicesWereDetached() throws Exception {
    run(
        (iova, pages) -> {
          for (int i = 0; i < 3; i++) {
            unit.detach(RequesterId.of(0, i, 0));
          }
          // Nobody has the domain: what is cached of it reaches nobody, until they are back.
          MemorySegment frames =
              machine.segment().asSlice(domain.lookup(iova) & -4096L, pages * 4096L);
          for (long i = 0; i < frames.byteSize() / 8; i++) {
            frames.setAtIndex(ValueLayout.JAVA_LONG, i, CANARY);
          }
          for (long i = 0; i < frames.byteSize() / 8; i++) {
            assertEquals(CANARY, frames.getAtIndex(ValueLayout.JAVA_LONG, i), "after detach");
          }
          domain.unmap(iova, pages);
          for (int i = 0; i < 3; i++) {
            unit.attach(RequesterId.of(0, i, 0), domain);
          }
        },
        false);
  }

  /**
   * Threads that map and unmap beside each other, tables coming and going, and devices in all of
   * it.
   */
  @Test
  void mapsAndUnmapsOfSeveralThreadsDoNotDisturbEachOther() throws Exception {
    long tables = unit.tableFrames();
    try (ExecutorService pool = Executors.newCachedThreadPool()) {
      List<Future<?>> all = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        int me = t;
        all.add(pool.submit(() -> mapAndUnmap(me)));
      }
      RequesterId requester = RequesterId.of(0, 9, 0);
      unit.attach(requester, domain);
      Future<?> device =
          pool.submit(() -> {
            DmaPort port = unit.newPort(requester);
            while (!over.get()) {
              port.fill(ThreadLocalRandom.current().nextLong(4 << 21), 4096, (byte) 7);
            }
          });
      try {
        for (Future<?> each : all) {
          each.get();
        }
      } finally {
        over.set(true);
      }
      device.get();
    }
    domain.unmap(0, domain.pages());
    domain.flush();
    assertEquals(tables + 1, unit.tableFrames(), "and the context table");
  }

  private void mapAndUnmap(int me) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    long own = machine.allocator.allocate(9); // frames of 2 MiB, joined and cut all the time
    for (int i = 0; i < 4000; i++) {
      long first = me + 4L * random.nextInt(400); // interleaved with those of the others
      assertEquals(IoDomain.OK, domain.map((4 << 9) + first << 12, own, 1, READ | WRITE));
      assertEquals(own << 12 | READ | WRITE, domain.lookup((4 << 9) + first << 12));
      assertEquals(1, domain.unmap((4 << 9) + first << 12, 1));
      if (i % 50 == 0) {
        long iova = (long) me << 21;
        assertEquals(IoDomain.OK, domain.map(iova, own, 512, READ | WRITE));
        assertEquals(1, domain.unmap(iova + 4096, 1));
        assertEquals(IoDomain.OK, domain.map(iova + 4096, own + 1, 1, READ | WRITE));
        assertEquals(512, domain.unmap(iova, 512));
      }
    }
  }

  /** Ports that are revoked and requesters that move while their devices are busy. */
  @Test
  void aRevokedPortHasNoAccessUnderWay() throws Exception {
    long mfn = machine.frame(0);
    domain.map(0, mfn, 1, READ | WRITE);
    RequesterId requester = RequesterId.of(0, 1, 0);
    unit.attach(requester, domain);
    MemorySegment ones = MemorySegment.ofArray(new long[WORDS]);
    ones.fill((byte) 1);
    try (ExecutorService pool = Executors.newCachedThreadPool()) {
      for (int round = 0; round < 300; round++) {
        DmaPort port = unit.newPort(requester);
        Future<Integer> last =
            pool.submit(() -> {
              int status;
              do {
                status = port.write(0, ones, 0, 4096);
              } while (status == DmaPort.OK);
              return status;
            });
        for (int spins = 0; spins < round * 10; spins++) {
          Thread.onSpinWait();
        }
        port.revoke();
        for (int i = 0; i < WORDS; i++) {
          machine.set((mfn << 12) + i * 8L, CANARY);
        }
        assertEquals(DmaPort.REVOKED, last.get());
        for (int i = 0; i < WORDS; i++) {
          assertEquals(CANARY, machine.at((mfn << 12) + i * 8L));
        }
      }
    }
  }
}
