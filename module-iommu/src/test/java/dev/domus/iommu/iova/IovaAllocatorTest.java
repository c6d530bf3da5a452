package dev.domus.iommu.iova;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ranges never overlap, are aligned, below their limit, and never freed twice. */
class IovaAllocatorTest {
  private static final long GIB = 1L << 30;
  private static final long NO_LIMIT = Long.MAX_VALUE;

  private record Range(long iova, long pages) {
    long rounded() {
      return Long.highestOneBit(2 * pages - 1);
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 40000000", "2, 140000000", "3, fe123000", "4, 5000000"})
  void rangesAgreeWithAMapOfAllPages(long seed, String hex) {
    long end = Long.parseLong(hex, 16);
    IovaAllocator allocator = new IovaAllocator(end);
    Random random = new Random(seed);
    BitSet taken = new BitSet();
    List<Range> held = new ArrayList<>();
    for (int step = 0; step < 30_000; step++) {
      boolean grow = random.nextInt(100) < ((step / 5000 & 1) == 0 ? 65 : 35);
      if (grow || held.isEmpty()) {
        long pages = random.nextInt(10) == 0 ? 1 + random.nextInt(5000) : 1L << random.nextInt(7);
        long limit = random.nextInt(4) == 0 ? 1 + random.nextLong(end) : NO_LIMIT;
        long iova = allocator.allocate(pages, limit);
        if (iova != IovaAllocator.NONE) {
          Range range = new Range(iova, pages);
          int first = (int) (iova >>> 12);
          assertEquals(0, iova % (range.rounded() << 12), "aligned: " + range);
          assertTrue(iova + (pages << 12) <= Math.min(limit, end), "below its limit: " + range);
          int next = taken.nextSetBit(first);
          assertTrue(next < 0 || next >= first + range.rounded(), "nobody else's: " + range);
          assertTrue(iova > 0 && (iova + (pages << 12) <= 0xFEE0_0000L || iova > 0xFEEF_FFFFL));
          taken.set(first, (int) (first + range.rounded()));
          held.add(range);
        }
      } else {
        Range range = held.remove(random.nextInt(held.size()));
        taken.clear((int) (range.iova >>> 12), (int) ((range.iova >>> 12) + range.rounded()));
        allocator.free(range.iova, range.pages);
      }
    }
    held.forEach(range -> allocator.free(range.iova, range.pages));
    long largest = Long.highestOneBit(Math.min(end, GIB)) >>> 12;
    assertNotEquals(
        IovaAllocator.NONE,
        allocator.allocate(largest / 2, NO_LIMIT),
        "what was freed joins again, out of all caches");
  }

  @Test
  void allOfTheSpaceCanBeHandedOutOnce() {
    IovaAllocator allocator = new IovaAllocator(64 << 20);
    BitSet seen = new BitSet();
    for (long iova; (iova = allocator.allocate(1, NO_LIMIT)) != IovaAllocator.NONE; ) {
      assertFalse(seen.get((int) (iova >>> 12)));
      seen.set((int) (iova >>> 12));
    }
    assertEquals((64 << 8) - 1, seen.cardinality(), "all but page 0");
    allocator.free(0x5000, 1);
    assertEquals(0x5000, allocator.allocate(1, 0x6000));
  }

  @Test
  void aBadFreeIsFoundWhereverTheRangeIs() {
    IovaAllocator allocator = new IovaAllocator(8 * GIB);
    long small = allocator.allocate(1, NO_LIMIT);
    long large = allocator.allocate(300, NO_LIMIT);
    for (long[] bad :
        new long[][] {
          {small, 2},
          {small + 1, 1},
          {large, 1},
          {large, 513},
          {large + 0x1000, 1},
          {0, 1},
          {0xFEE0_0000L, 1},
          {0xFEE0_0000L, 256},
          {8 * GIB, 1},
          {-4096, 1},
          {3 * GIB, 1}
        }) {
      assertThrows(IllegalArgumentException.class, () -> allocator.free(bad[0], bad[1]));
      assertThrows(IllegalArgumentException.class, () -> allocator.check(bad[0], bad[1]));
    }
    allocator.free(small, 1);
    allocator.free(large, 300);
    assertThrows(IllegalArgumentException.class, () -> allocator.free(small, 1), "in a magazine");
    assertThrows(IllegalArgumentException.class, () -> allocator.free(large, 300), "in an arena");
    assertThrows(IllegalArgumentException.class, () -> allocator.allocate(0, NO_LIMIT));
    assertThrows(
        IllegalArgumentException.class,
        () -> allocator.allocate(IovaAllocator.MOST_PAGES + 1, NO_LIMIT));
  }

  @Test
  void whoHasNoLimitLeavesTheLowAddressesToThoseWhoHave() {
    IovaAllocator allocator = new IovaAllocator(5 * GIB);
    int high = 0;
    while (allocator.allocate(1 << 17, NO_LIMIT) >= IovaAllocator.LIMIT_32_BIT) {
      high++;
    }
    assertEquals(2, high, "then from below");
    assertTrue(allocator.allocate(1, IovaAllocator.LIMIT_32_BIT) < IovaAllocator.LIMIT_32_BIT);
    assertTrue(allocator.allocate(1, IovaAllocator.LIMIT_32_BIT) != IovaAllocator.NONE);
  }

  /**
   * The case that trees ordered by address are bad at: below 4 GiB every other page is taken for
   * good, and what is asked for fits in none of the gaps but those at the far end. The steps of a
   * request do not grow with what is taken: some words are looked at, however many ranges there
   * are. Counted in time, against the same requests of an empty space, with much room for noise.
   */
  @Test
  void longLivedSmallRangesBelow4GiBDoNotSlowLaterRequests() {
    IovaAllocator empty = new IovaAllocator(4 * GIB);
    IovaAllocator littered = new IovaAllocator(4 * GIB);
    List<Long> gaps = new ArrayList<>();
    for (int i = 0; i < 900_000; i++) {
      long iova = littered.allocate(1, IovaAllocator.LIMIT_32_BIT);
      assertNotEquals(IovaAllocator.NONE, iova);
      if ((i & 1) == 1) {
        gaps.add(iova);
      }
    }
    gaps.forEach(iova -> littered.free(iova, 1));
    long best = Long.MAX_VALUE;
    long bestOfEmpty = Long.MAX_VALUE;
    for (int round = 0; round < 15; round++) {
      bestOfEmpty = Math.min(bestOfEmpty, nanosOf(empty));
      best = Math.min(best, nanosOf(littered));
    }
    assertTrue(best < 20 * bestOfEmpty, "littered %d ns, empty %d ns".formatted(best, bestOfEmpty));
  }

  private static long nanosOf(IovaAllocator allocator) {
    long begin = System.nanoTime();
    for (int i = 0; i < 1000; i++) {
      long iova = allocator.allocate(64, IovaAllocator.LIMIT_32_BIT);
      allocator.free(iova, 64);
    }
    return System.nanoTime() - begin;
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void noTwoThreadsAreGivenOnePage(int threads) throws Exception {
    IovaAllocator allocator = new IovaAllocator(96 << 20);
    AtomicIntegerArray owners = new AtomicIntegerArray(96 << 8);
    CyclicBarrier start = new CyclicBarrier(threads);
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      List<Future<?>> all = new ArrayList<>();
      for (int t = 1; t <= threads; t++) {
        int me = t;
        all.add(
            pool.submit(() -> {
              start.await();
              churn(allocator, owners, me);
              return null;
            }));
      }
      for (Future<?> each : all) {
        each.get();
      }
    }
  }

  private static void churn(IovaAllocator allocator, AtomicIntegerArray owners, int me) {
    Random random = new Random(me);
    List<Range> held = new ArrayList<>();
    for (int step = 0; step < 60_000; step++) {
      if (random.nextInt(100) < (step % 20_000 < 12_000 ? 60 : 30)) {
        long pages = 1L << random.nextInt(9);
        long iova = allocator.allocate(pages, NO_LIMIT);
        if (iova != IovaAllocator.NONE) {
          for (int i = 0; i < pages; i++) {
            assertTrue(owners.compareAndSet((int) (iova >>> 12) + i, 0, me), "page is another's");
          }
          held.add(new Range(iova, pages));
        }
      } else if (!held.isEmpty()) {
        Range range = held.remove(random.nextInt(held.size()));
        for (int i = 0; i < range.pages; i++) {
          owners.set((int) (range.iova >>> 12) + i, 0);
        }
        allocator.free(range.iova, range.pages);
      }
    }
  }
}
