package dev.domus.memory.p2m;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RadixP2mTest {
  private static final long GIGA = 1L << 18;
  private static final long MEGA = 1L << 9;

  private record Extent(long gfn, long count, P2mType type, long mfn) {}

  private static P2mExtents into(List<Extent> list) {
    return (gfn, count, type, mfn) -> list.add(new Extent(gfn, count, type, mfn));
  }

  // ---- random operations against a flat map ----

  /** One type and frame a guest frame, and two sets of bits. */
  private static final class Flat {
    final P2mType[] types;
    final long[] mfns;
    final boolean[] dirty;
    boolean logging;

    Flat(int limit) {
      types = new P2mType[limit];
      Arrays.fill(types, P2mType.NONE);
      mfns = new long[limit];
      dirty = new boolean[limit];
    }

    List<Extent> extents(int gfn, int count) {
      List<Extent> found = new ArrayList<>();
      for (int at = gfn; at < gfn + count; ) {
        int next = at + 1;
        while (next < gfn + count
            && types[next] == types[at]
            && mfns[next] == mfns[at] + (types[at].hasFrame() ? next - at : 0)) {
          next++;
        }
        if (types[at] != P2mType.NONE) {
          found.add(new Extent(at, next - at, types[at], mfns[at]));
        }
        at = next;
      }
      return found;
    }

    void map(int gfn, int count, long mfn, P2mType type) {
      for (int i = 0; i < count; i++) {
        if (logging && (type != P2mType.NONE || types[gfn + i] != P2mType.NONE)) {
          dirty[gfn + i] = true;
        }
        types[gfn + i] = type;
        mfns[gfn + i] = type.hasFrame() ? mfn + i : 0;
      }
    }

    long retype(int gfn, int count, P2mType from, P2mType to) {
      long changed = 0;
      for (int at = gfn; at < gfn + count; at++) {
        if (types[at] == from) {
          types[at] = to;
          changed++;
        }
      }
      return changed;
    }
  }

  private static final int LIMIT = (int) (GIGA + 3 * MEGA + 77);

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void randomOperationsAgreeWithAFlatMap(long seed) {
    Random random = new Random(seed);
    RadixP2m map = new RadixP2m(LIMIT);
    Flat flat = new Flat(LIMIT);
    for (int step = 0; step < 300; step++) {
      int gfn = gfn(random);
      int count = count(random, gfn);
      step(random, map, flat, gfn, count);
      scan(map, flat, step);
    }
    map.unmap(0, LIMIT, P2mExtents.NOBODY);
    assertEquals(0, map.tables(), "a hole needs no tables");
  }

  private static int gfn(Random random) {
    int gfn = random.nextInt(LIMIT);
    return switch (random.nextInt(4)) {
      case 0 -> gfn;
      case 1 -> (int) (gfn & -MEGA);
      case 2 -> (int) (GIGA - 700 + random.nextInt(1400));
      default -> random.nextInt(3000); // so that operations meet
    };
  }

  private static int count(Random random, int gfn) {
    int count =
        switch (random.nextInt(6)) {
          case 0 -> 1;
          case 1 -> random.nextInt(2000);
          case 2 -> (int) MEGA * (1 + random.nextInt(5));
          case 3 -> random.nextInt(10) == 0 ? LIMIT : (int) MEGA;
          case 4 -> (int) (MEGA - (gfn & MEGA - 1));
          default -> 1 + random.nextInt(8);
        };
    return Math.min(count, LIMIT - gfn);
  }

  private void step(Random random, RadixP2m map, Flat flat, int gfn, int count) {
    List<Extent> before = flat.extents(gfn, count);
    List<Extent> told = new ArrayList<>();
    switch (random.nextInt(12)) {
      case 0, 1, 2, 3 -> {
        P2mType type = P2mType.values()[1 + random.nextInt(4)];
        long mfn = type.hasFrame() ? mfn(random, gfn) : 0;
        map.map(gfn, count, mfn, type, into(told));
        flat.map(gfn, count, mfn, type);
        assertEquals(before, told);
      }
      case 4 -> {
        map.unmap(gfn, count, into(told));
        flat.map(gfn, count, 0, P2mType.NONE);
        assertEquals(before, told);
      }
      case 5, 6 -> {
        boolean writable = random.nextBoolean();
        long changed =
            writable
                ? flat.retype(
                    gfn,
                    count,
                    P2mType.RAM_RO,
                    flat.logging ? P2mType.LOGGED_DIRTY : P2mType.RAM_RW)
                : flat.retype(gfn, count, P2mType.RAM_RW, P2mType.RAM_RO)
                    + flat.retype(gfn, count, P2mType.LOGGED_DIRTY, P2mType.RAM_RO);
        assertEquals(changed, map.setWritable(gfn, count, writable));
      }
      case 7 -> {
        if (random.nextInt(4) == 0) {
          boolean on = random.nextInt(3) > 0;
          map.setLogging(on);
          flat.logging = on;
          Arrays.fill(flat.dirty, false);
          flat.retype(
              0,
              LIMIT,
              on ? P2mType.RAM_RW : P2mType.LOGGED_DIRTY,
              on ? P2mType.LOGGED_DIRTY : P2mType.RAM_RW);
        }
      }
      case 8 -> {
        for (int at = gfn; at < Math.min(gfn + count, gfn + 20); at++) {
          boolean logged = flat.types[at] == P2mType.LOGGED_DIRTY;
          assertEquals(logged || flat.types[at] == P2mType.RAM_RW, map.logWrite(at));
          if (logged) {
            flat.types[at] = P2mType.RAM_RW;
            flat.dirty[at] = true;
          }
        }
      }
      case 9 -> collect(map, flat, gfn, count);
      case 10 -> {
        long old = map.set(gfn, 9, P2mType.MMIO);
        assertEquals(flat.types[gfn], P2mEntry.type(old));
        assertEquals(flat.mfns[gfn], P2mEntry.mfn(old));
        flat.map(gfn, 1, 9, P2mType.MMIO);
      }
      default -> {
        int order = random.nextInt(11);
        int first = gfn & -(1 << order);
        if (first + (1 << order) <= LIMIT) {
          boolean all = true;
          for (int at = first; at < first + (1 << order); at++) {
            all &= flat.types[at] == P2mType.POPULATE_ON_DEMAND;
          }
          long mfn = 1L << 24 | first;
          assertEquals(all, map.populate(first, order, mfn));
          if (all) {
            flat.map(first, 1 << order, mfn, P2mType.RAM_RW);
          }
        }
      }
    }
  }

  /** Often such that neighbours continue each other and large pages are possible. */
  private static long mfn(Random random, int gfn) {
    return switch (random.nextInt(4)) {
      case 0, 1 -> (1L << 20) + gfn;
      case 2 -> (1L << 30) + gfn;
      default -> random.nextLong(P2mEntry.MAX_FRAMES - LIMIT);
    };
  }

  private void collect(RadixP2m map, Flat flat, int gfn, int count) {
    long[] bitmap = new long[(count + 63) / 64];
    long found = map.collectDirty(gfn, count, bitmap);
    long expected = 0;
    for (int i = 0; i < count; i++) {
      boolean dirty = (bitmap[i >>> 6] >>> i & 1) != 0;
      assertEquals(flat.dirty[gfn + i], dirty, "dirty bit of gfn=" + (gfn + i));
      if (dirty) {
        expected++;
        flat.dirty[gfn + i] = false;
        if (flat.types[gfn + i] == P2mType.RAM_RW) {
          flat.types[gfn + i] = P2mType.LOGGED_DIRTY;
        }
      }
    }
    assertEquals(expected, found);
  }

  private void scan(RadixP2m map, Flat flat, int step) {
    long tables = 0;
    for (int gfn = 0; gfn < LIMIT; gfn++) {
      long entry = map.lookup(gfn);
      if (!P2mEntry.is(entry, flat.types[gfn]) || P2mEntry.mfn(entry) != flat.mfns[gfn]) {
        assertEquals(flat.types[gfn], P2mEntry.type(entry), "step=%d gfn=%d".formatted(step, gfn));
        assertEquals(flat.mfns[gfn], P2mEntry.mfn(entry), "step=%d gfn=%d".formatted(step, gfn));
      }
      int order = P2mEntry.order(entry);
      if ((gfn & MEGA - 1) == 0 && order == 0) {
        tables++;
      }
      if (order > 0 && flat.types[gfn].hasFrame()) {
        assertEquals(gfn & (1L << order) - 1, flat.mfns[gfn] & (1L << order) - 1, "misaligned");
      }
    }
    for (int giga = 0; giga < LIMIT; giga += (int) GIGA) {
      if (P2mEntry.order(map.lookup(giga)) < 18) {
        tables++;
      }
    }
    assertEquals(tables, map.tables());
    List<Extent> told = new ArrayList<>();
    map.forEach(0, LIMIT, into(told));
    assertEquals(flat.extents(0, LIMIT), told);
  }

  // ---- readers beside a writer ----

  /**
   * The writer gives all pages a new version, in pieces of any size, so that tables are split and
   * merged all the time. The frame tells the version. A reader must find one that was not yet
   * replaced when it came, and had been begun when it went.
   */
  @Test
  void readersFindWhatWasTrueWhileTheyLooked() throws Exception {
    long pages = GIGA + 5 * MEGA;
    RadixP2m map = new RadixP2m(pages);
    AtomicLong begun = new AtomicLong(), done = new AtomicLong();
    AtomicBoolean stop = new AtomicBoolean();
    AtomicInteger orders = new AtomicInteger();
    map.map(0, pages, 0, P2mType.RAM_RW, P2mExtents.NOBODY);
    List<Callable<Long>> tasks = new ArrayList<>();
    for (int reader = 0; reader < 2; reader++) {
      int seed = reader;
      tasks.add(() -> {
        Random random = new Random(seed);
        long lookups = 0;
        while (!stop.get()) {
          long gfn = random.nextInt(3) == 0 ? random.nextLong(pages) : random.nextLong(600);
          long least = done.get();
          long entry = map.lookup(gfn);
          long most = begun.get();
          long version = P2mEntry.mfn(entry) - gfn >>> 20;
          if (version < least
              || version > most
              || (P2mEntry.mfn(entry) - gfn & (1 << 20) - 1) != 0
              || P2mEntry.is(entry, P2mType.NONE)) {
            throw new AssertionError(
                "gfn=%d entry=%x versions %d to %d".formatted(gfn, entry, least, most));
          }
          int bit = 1 << P2mEntry.order(entry);
          if ((orders.get() & bit) == 0) {
            orders.accumulateAndGet(bit, (a, b) -> a | b);
          }
          lookups++;
        }
        return lookups;
      });
    }
    tasks.add(() -> {
      Random random = new Random(7);
      try {
        long end = System.nanoTime() + 3_000_000_000L;
        for (long version = 1; System.nanoTime() < end; version++) {
          begun.set(version);
          write(map, random, version << 20, pages);
          done.set(version);
        }
      } finally {
        stop.set(true);
      }
      return done.get();
    });
    try (var pool = Executors.newFixedThreadPool(3)) {
      for (var result : pool.invokeAll(tasks)) {
        assertTrue(result.get() > 10, "nothing happened");
      }
    }
    assertEquals(1 | 1 << 9 | 1 << 18, orders.get(), "readers met all page sizes");
  }

  private static void write(RadixP2m map, Random random, long base, long pages) {
    for (long gfn = 0; gfn < pages; ) {
      long count =
          gfn == 0 && random.nextBoolean() || gfn > 4 * MEGA
              ? pages
              : random.nextBoolean() ? 1 + random.nextInt(300) : MEGA - (gfn & MEGA - 1);
      count = Math.min(count, pages - gfn);
      map.map(gfn, count, base + gfn, P2mType.RAM_RW, P2mExtents.NOBODY);
      gfn += count;
      long other = random.nextInt((int) (4 * MEGA));
      map.setWritable(other, random.nextInt(700), random.nextBoolean());
    }
    map.setWritable(0, pages, random.nextInt(4) > 0);
  }

  /**
   * Each round gives one page after the other a new version, the last of which makes one large page
   * of them. A reader that has seen a page's new version must not see the old one again, which the
   * large entry still holds from the time before the split.
   */
  @Test
  void nobodySeesAMergeHalfDone() throws Exception {
    RadixP2m map = new RadixP2m(MEGA + 1);
    AtomicBoolean stop = new AtomicBoolean();
    List<Callable<Long>> tasks = new ArrayList<>();
    for (int reader = 0; reader < 2; reader++) {
      tasks.add(() -> {
        long seen = 0;
        while (!stop.get()) {
          long version = P2mEntry.mfn(map.lookup(0));
          if (version < seen) {
            throw new AssertionError("went back from %x to %x".formatted(seen, version));
          }
          seen = version;
        }
        return seen;
      });
    }
    tasks.add(() -> {
      long base = MEGA;
      try {
        for (long end = System.nanoTime() + 2_000_000_000L; System.nanoTime() < end; ) {
          map.map(0, MEGA - 1, base, P2mType.RAM_RW, P2mExtents.NOBODY);
          map.set(MEGA - 1, base + MEGA - 1, P2mType.RAM_RW);
          assertEquals(1, map.tables(), "the leaf is gone, the large entries are not");
          base += MEGA;
        }
      } finally {
        stop.set(true);
      }
      return base;
    });
    try (var pool = Executors.newFixedThreadPool(3)) {
      for (var result : pool.invokeAll(tasks)) {
        assertTrue(result.get() > MEGA, "nothing happened");
      }
    }
  }

  // ---- by hand ----

  @Test
  void pagesAreAsLargeAsAlignmentAllows() {
    RadixP2m map = new RadixP2m(3 * GIGA);
    map.map(0, 3 * GIGA, 0x4000_0000L, P2mType.RAM_RW, P2mExtents.NOBODY);
    assertEquals(P2mEntry.ORDER_1G, P2mEntry.order(map.lookup(GIGA + 5)));
    assertEquals(0x4000_0000L + GIGA + 5, P2mEntry.mfn(map.lookup(GIGA + 5)));
    map.set(GIGA + 5, 1, P2mType.RAM_RO);
    assertEquals(P2mEntry.ORDER_4K, P2mEntry.order(map.lookup(GIGA + 6)));
    assertEquals(P2mEntry.ORDER_2M, P2mEntry.order(map.lookup(GIGA + MEGA)));
    assertEquals(P2mEntry.ORDER_1G, P2mEntry.order(map.lookup(2 * GIGA)));
    map.set(GIGA + 5, 0x4000_0000L + GIGA + 5, P2mType.RAM_RW);
    assertEquals(P2mEntry.ORDER_1G, P2mEntry.order(map.lookup(GIGA + 5)), "whole again");
    assertEquals(0, map.tables());
    map.map(0, MEGA, 1, P2mType.RAM_RW, P2mExtents.NOBODY);
    assertEquals(P2mEntry.ORDER_4K, P2mEntry.order(map.lookup(0)), "frames are not aligned");
  }

  @Test
  void numbersThatNoMapHasAreHolesToReadersAndRefusedToWriters() {
    RadixP2m map = new RadixP2m(100);
    for (long gfn : new long[] {100, -1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 36}) {
      assertEquals(P2mType.NONE, P2mEntry.type(map.lookup(gfn)));
      assertFalse(map.contains(gfn, 1));
      assertThrows(IllegalArgumentException.class, () -> map.set(gfn, 1, P2mType.RAM_RW));
    }
    assertFalse(map.contains(1, 100));
    assertFalse(map.contains(1, Long.MAX_VALUE));
    assertTrue(map.contains(0, 100));
    assertThrows(
        IllegalArgumentException.class, () -> map.set(1, P2mEntry.MAX_FRAMES, P2mType.RAM_RW));
    assertThrows(IllegalArgumentException.class, () -> map.set(1, 5, P2mType.POPULATE_ON_DEMAND));
    assertThrows(IllegalArgumentException.class, () -> new RadixP2m(RadixP2m.MAX_LIMIT + 1));
  }

  @Test
  void aWrittenPageIsCollectedOnceAndLoggedAgain() {
    RadixP2m map = new RadixP2m(GIGA);
    map.map(0, GIGA, GIGA, P2mType.RAM_RW, P2mExtents.NOBODY);
    map.setLogging(true);
    assertEquals(0, map.tables(), "logging by itself splits nothing");
    assertTrue(map.logWrite(70));
    assertTrue(map.logWrite(70));
    map.markDirty(3, 1);
    long[] bitmap = new long[2];
    assertEquals(2, map.collectDirty(0, 128, bitmap));
    assertEquals(1L << 3, bitmap[0]);
    assertEquals(1L << 6, bitmap[1]);
    assertEquals(0, map.collectDirty(0, 128, bitmap));
    assertEquals(P2mType.LOGGED_DIRTY, P2mEntry.type(map.lookup(70)));
    assertEquals(0, map.tables(), "one large page again");
    map.setLogging(false);
    assertEquals(P2mType.RAM_RW, P2mEntry.type(map.lookup(70)));
  }

  @Test
  void anEmptyMapOfAllAddressesCostsNoTables() {
    RadixP2m map = new RadixP2m(RadixP2m.MAX_LIMIT);
    map.setLogging(true);
    map.unmap(0, RadixP2m.MAX_LIMIT, P2mExtents.NOBODY);
    map.set(RadixP2m.MAX_LIMIT - 1, 17, P2mType.MMIO);
    assertEquals(17, P2mEntry.mfn(map.lookup(RadixP2m.MAX_LIMIT - 1)));
    assertEquals(2, map.tables());
    List<Extent> removed = new ArrayList<>();
    map.unmap(0, RadixP2m.MAX_LIMIT, into(removed));
    assertEquals(List.of(new Extent(RadixP2m.MAX_LIMIT - 1, 1, P2mType.MMIO, 17)), removed);
    assertEquals(0, map.tables());
  }
}
