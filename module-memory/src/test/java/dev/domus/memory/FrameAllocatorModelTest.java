package dev.domus.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The allocator with all that it can do against a model that knows nothing of buddies and caches: a
 * set of free frames and a number of claimed ones. First step by step, then from several threads.
 */
class FrameAllocatorModelTest {
  private static final int FRAMES = 3000;
  private static final int FIRST = 7;
  private static final int THREADS = 4;

  private final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
  private final FrameTable frames = new FrameTable(FRAMES);
  private final FrameAllocator allocator = new FrameAllocator(memory, frames, FIRST);
  private final MemorySegment zeros =
      MemorySegment.ofArray(new byte[MachineMemory.FRAME_BYTES]).asReadOnly();

  private record Block(long mfn, int order) {}

  @AfterEach
  void close() {
    frames.close();
    memory.close();
  }

  private boolean isZero(long mfn) {
    return frame(mfn).mismatch(zeros) == -1;
  }

  private MemorySegment frame(long mfn) {
    return memory.segment().asSlice(mfn << 12, MachineMemory.FRAME_BYTES);
  }

  // ---- one thread, every step checked ----

  /** Calls come from several threads in turn, so that free frames are in several caches. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void everyOperationAgreesWithTheModel(long seed) throws Exception {
    Random random = new Random(seed);
    BitSet free = new BitSet(FRAMES);
    free.set(FIRST, FRAMES);
    List<Block> held = new ArrayList<>();
    List<FrameClaim> claims = new ArrayList<>();
    List<ExecutorService> threads = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      threads.add(Executors.newSingleThreadExecutor());
    }
    try {
      for (int step = 0; step < 6000; step++) {
        int mostly = (step / 1000 & 1) == 0 ? 60 : 30;
        int dice = random.nextInt(100);
        ExecutorService thread = threads.get(random.nextInt(THREADS));
        thread.submit(() -> step(random, dice < mostly, dice, free, held, claims)).get();
        long claimed = claims.stream().mapToLong(FrameClaim::remaining).sum();
        assertEquals(claimed, allocator.claimedFrames());
        assertEquals(free.cardinality(), allocator.freeFrames());
      }
      claims.forEach(FrameClaim::close);
      held.forEach(block -> allocator.free(block.mfn, block.order));
      assertEquals(allocator.managedFrames(), allocator.freeFrames());
      assertTrue(allocator.allocate(FrameAllocator.MAX_ORDER) > 0, "everything merges again");
    } finally {
      threads.forEach(ExecutorService::shutdownNow);
    }
  }

  private void step(
      Random random,
      boolean allocate,
      int dice,
      BitSet free,
      List<Block> held,
      List<FrameClaim> claims) {
    if (allocate) {
      allocate(random, free, held, claims);
    } else if (dice < 93) {
      if (!held.isEmpty()) {
        free(random, free, held.remove(random.nextInt(held.size())));
      }
    } else if (dice < 95) {
      long count = random.nextInt(200);
      long unclaimed = free.cardinality() - allocator.claimedFrames();
      var claim = allocator.claim(count);
      assertEquals(count <= unclaimed, claim.isPresent(), "claim of " + count);
      claim.ifPresent(claims::add);
    } else if (dice < 96) {
      if (!claims.isEmpty()) {
        claims.remove(random.nextInt(claims.size())).close();
      }
    } else if (dice < 99) {
      allocator.scrub(random.nextInt(300));
    } else {
      allocator.releaseToHost(random.nextInt(4));
    }
  }

  private void allocate(Random random, BitSet free, List<Block> held, List<FrameClaim> claims) {
    int order = Integer.numberOfTrailingZeros(random.nextInt() | 1 << 9);
    long unclaimed = free.cardinality() - allocator.claimedFrames();
    long max = FRAMES - 1;
    long allowed = unclaimed;
    long mfn;
    if (!claims.isEmpty() && random.nextInt(4) == 0) {
      FrameClaim claim = claims.get(random.nextInt(claims.size()));
      allowed += claim.remaining();
      mfn = claim.allocate(order);
    } else if (random.nextInt(4) == 0) {
      max = random.nextBoolean() ? random.nextInt(FRAMES) : (1L << random.nextInt(13)) - 1;
      mfn = allocator.allocate(order, max);
    } else {
      mfn = allocator.allocate(order);
    }
    int size = 1 << order;
    if (mfn == FrameAllocator.OUT_OF_MEMORY) {
      assertTrue(
          allowed < size || noAlignedRun(free, order, max),
          "refused, but there is room: order=%d max=%d".formatted(order, max));
      return;
    }
    assertTrue(size <= allowed, "took what was claimed");
    assertEquals(0, mfn & size - 1, "aligned to its size");
    assertTrue(mfn + size - 1 <= max, "above the limit: mfn=%d max=%d".formatted(mfn, max));
    for (long each = mfn; each < mfn + size; each++) {
      assertTrue(free.get((int) each), "handed out twice: mfn=" + each);
      assertTrue(isZero(each), "old contents: mfn=" + each);
      frame(each).fill((byte) 0x5A);
    }
    free.clear((int) mfn, (int) mfn + size);
    held.add(new Block(mfn, order));
  }

  private void free(Random random, BitSet free, Block block) {
    int size = 1 << block.order;
    if (random.nextBoolean()) {
      allocator.free(block.mfn, block.order);
    } else { // in pieces, as domains do it
      for (long each = block.mfn; each < block.mfn + size; each++) {
        allocator.free(each, 0);
      }
    }
    free.set((int) block.mfn, (int) block.mfn + size);
  }

  private static boolean noAlignedRun(BitSet free, int order, long max) {
    for (int mfn = 0; mfn + (1 << order) - 1 <= max; mfn += 1 << order) {
      if (free.nextClearBit(mfn) >= mfn + (1 << order)) {
        return false;
      }
    }
    return true;
  }

  // ---- several threads ----

  /**
   * Threads allocate, write, check and free at will, with a scrubber and a giver-back among them.
   * At each of the barriers the counts have to add up, though most free frames are in caches.
   */
  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13})
  void threadsShareNoFrameAndLoseNone(long seed) throws Exception {
    AtomicIntegerArray holders = new AtomicIntegerArray(FRAMES);
    AtomicLong heldFrames = new AtomicLong();
    AtomicLong expected = new AtomicLong();
    CyclicBarrier quiet =
        new CyclicBarrier(
            THREADS,
            () -> {
              expected.set(allocator.managedFrames() - heldFrames.get());
              assertEquals(expected.get(), allocator.freeFrames());
            });
    List<Callable<Void>> tasks = new ArrayList<>();
    for (int thread = 1; thread <= THREADS; thread++) {
      int mark = thread;
      tasks.add(() -> {
        Random random = new Random(seed * 100 + mark);
        List<Block> mine = new ArrayList<>();
        for (int step = 0; step < 20_000; step++) {
          if (step % 2_000 == 0) {
            quiet.await(1, TimeUnit.MINUTES);
            quiet.await(1, TimeUnit.MINUTES);
          }
          if (random.nextInt(1000) == 0) {
            disturb(random);
          }
          if (random.nextInt(mine.size() + 50) < 50) {
            Block block = takeChecked(random, mark, holders);
            if (block != null) {
              mine.add(block);
              heldFrames.addAndGet(1L << block.order);
            }
          } else {
            Block block = mine.remove(random.nextInt(mine.size()));
            heldFrames.addAndGet(-(1L << block.order));
            putChecked(block, mark, holders);
          }
        }
        mine.forEach(block -> putChecked(block, mark, holders));
        return null;
      });
    }
    try (var pool = Executors.newFixedThreadPool(THREADS)) {
      for (var result : pool.invokeAll(tasks)) {
        result.get();
      }
    }
    assertEquals(allocator.managedFrames(), allocator.freeFrames());
    allocator.scrub(FRAMES);
    for (int mfn = FIRST; mfn < FRAMES; mfn++) {
      assertTrue(isZero(mfn), "scrubbed, but not zero: mfn=" + mfn);
    }
  }

  private void disturb(Random random) {
    switch (random.nextInt(3)) {
      case 0 -> allocator.scrub(100);
      case 1 -> allocator.releaseToHost(2);
      default -> allocator.freeFrames();
    }
  }

  private Block takeChecked(Random random, int mark, AtomicIntegerArray holders) {
    int order = random.nextInt(20) == 0 ? random.nextInt(6) : 0;
    long max = random.nextInt(20) == 0 ? 1023 : Long.MAX_VALUE;
    long mfn = max == 1023 ? allocator.allocate(order, max) : allocator.allocate(order);
    if (mfn == FrameAllocator.OUT_OF_MEMORY) {
      return null;
    }
    for (long each = mfn; each < mfn + (1L << order); each++) {
      assertTrue(each <= max);
      assertTrue(holders.compareAndSet((int) each, 0, mark), "handed out twice: mfn=" + each);
      assertTrue(isZero(each), "old contents: mfn=" + each);
      frame(each).fill((byte) mark);
    }
    return new Block(mfn, order);
  }

  private void putChecked(Block block, int mark, AtomicIntegerArray holders) {
    for (long each = block.mfn; each < block.mfn + (1L << block.order); each++) {
      assertEquals(mark, memory.segment().get(ValueLayout.JAVA_BYTE, each << 12));
      assertTrue(holders.compareAndSet((int) each, mark, 0), "changed hands: mfn=" + each);
    }
    allocator.free(block.mfn, block.order);
  }

  @Test
  void framesInOtherThreadsCachesAreNotOutOfReach() throws Exception {
    List<Long> all = new ArrayList<>();
    for (long mfn = allocator.allocate(0); mfn > 0; mfn = allocator.allocate(0)) {
      all.add(mfn);
    }
    assertEquals(FRAMES - FIRST, all.size());
    for (int i = 0; i < 40; i++) { // more threads than caches, each leaves one frame in its own
      long mfn = all.get(i);
      Thread.ofPlatform().start(() -> allocator.free(mfn, 0)).join();
    }
    for (int i = 0; i < 40; i++) {
      assertTrue(allocator.allocate(0) > 0, "refused with frames left: i=" + i);
    }
    assertEquals(FrameAllocator.OUT_OF_MEMORY, allocator.allocate(0));
  }

  @Test
  void whatIsClaimedNobodyElseGets() throws Exception {
    FrameClaim claim = allocator.claim(1000).orElseThrow();
    long others = 0;
    while (allocator.allocate(0) != FrameAllocator.OUT_OF_MEMORY) {
      others++;
    }
    assertEquals(FRAMES - FIRST - 1000, others);
    assertEquals(1000, allocator.freeFrames());
    assertTrue(allocator.claim(1).isEmpty());
    for (int i = 0; i < 999; i++) {
      assertTrue(claim.allocate(0) > 0);
    }
    assertEquals(FrameAllocator.OUT_OF_MEMORY, allocator.allocate(0));
    claim.close();
    assertTrue(allocator.allocate(0) > 0, "the rest of a closed claim is anybody's");
    assertEquals(0, allocator.freeFrames());
    claim.close();
    assertEquals(0, allocator.claimedFrames());
  }

  @Test
  void ofTwoThreadsThatFreeAFrameAtOnceOneIsRefused() throws Exception {
    try (var pool = Executors.newFixedThreadPool(2)) {
      for (int round = 0; round < 2000; round++) {
        long mfn = allocator.allocate(1);
        CyclicBarrier start = new CyclicBarrier(2);
        AtomicInteger refused = new AtomicInteger();
        int order = round & 1; // a frame twice, or a block twice
        List<Future<?>> both = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
          both.add(
              pool.submit(() -> {
                start.await();
                try {
                  allocator.free(mfn, order);
                } catch (IllegalStateException e) {
                  refused.incrementAndGet();
                }
                return null;
              }));
        }
        for (Future<?> each : both) {
          each.get();
        }
        assertEquals(1, refused.get());
        if (order == 0) {
          allocator.free(mfn + 1, 0);
        }
        assertEquals(allocator.managedFrames(), allocator.freeFrames());
      }
    }
  }

  @Test
  void aScrubbedFrameIsNotZeroedAgainAndAnUnscrubbedOneIs() {
    long mfn = allocator.allocate(0);
    frame(mfn).fill((byte) 1);
    allocator.free(mfn, 0);
    assertFalse(isZero(mfn), "freeing is cheap");
    assertEquals(1, allocator.scrub(10));
    assertTrue(isZero(mfn));
    assertEquals(0, allocator.scrub(10));
    frame(mfn).set(ValueLayout.JAVA_BYTE, 0, (byte) 7); // a marker, not an owner
    assertEquals(mfn, allocator.allocate(0));
    assertEquals(7, frame(mfn).get(ValueLayout.JAVA_BYTE, 0));
  }

  @Test
  void unalignedBlocksAreNoBlocks() {
    long mfn = allocator.allocate(2);
    assertThrows(IllegalArgumentException.class, () -> allocator.free(mfn + 1, 1));
    assertThrows(IllegalArgumentException.class, () -> allocator.allocate(11, 100));
    assertThrows(IllegalArgumentException.class, () -> allocator.claim(-1));
  }
}
