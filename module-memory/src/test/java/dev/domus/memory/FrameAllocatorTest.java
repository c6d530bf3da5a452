package dev.domus.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FrameAllocatorTest {
  private static final int FRAMES = 3000; // not a power of two: the last blocks are odd ones
  private static final int FIRST = 7;

  private final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
  private final FrameTable frames = new FrameTable(FRAMES);
  private final FrameAllocator allocator = new FrameAllocator(memory, frames, FIRST);

  @AfterEach
  void close() {
    frames.close();
    memory.close();
  }

  private record Block(long mfn, int order) {}

  /** The model is a bit set of free frames; it knows nothing of buddies. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void randomUseAgreesWithAModel(long seed) {
    Random random = new Random(seed);
    BitSet free = new BitSet(FRAMES);
    free.set(FIRST, FRAMES);
    List<Block> held = new ArrayList<>();
    for (int step = 0; step < 4000; step++) {
      boolean mostlyAllocate = (step / 500 & 1) == 0;
      if (held.isEmpty() || random.nextInt(10) < (mostlyAllocate ? 7 : 3)) {
        int order =
            Math.min(
                FrameAllocator.MAX_ORDER, Integer.numberOfTrailingZeros(random.nextInt() | 1 << 9));
        long mfn = allocator.allocate(order);
        if (mfn == FrameAllocator.OUT_OF_MEMORY) {
          assertTrue(noAlignedRun(free, order), "refused, but there is room: order=" + order);
          continue;
        }
        assertEquals(0, mfn & (1L << order) - 1, "aligned to its size");
        for (long each = mfn; each < mfn + (1L << order); each++) {
          assertTrue(free.get((int) each), "handed out twice: mfn=" + each);
          assertEquals(0, first(each), "old contents: mfn=" + each);
          memory.segment().set(ValueLayout.JAVA_LONG, each << 12, ~each);
        }
        free.clear((int) mfn, (int) mfn + (1 << order));
        held.add(new Block(mfn, order));
      } else {
        Block block = held.remove(random.nextInt(held.size()));
        if (random.nextBoolean()) {
          allocator.free(block.mfn, block.order);
        } else { // in pieces, as domains do it
          for (long each = block.mfn; each < block.mfn + (1L << block.order); each++) {
            allocator.free(each, 0);
          }
        }
        free.set((int) block.mfn, (int) block.mfn + (1 << block.order));
      }
      if (random.nextInt(200) == 0) {
        allocator.releaseToHost(random.nextInt(4));
      }
      assertEquals(free.cardinality(), allocator.freeFrames());
    }
    for (Block block : held) {
      allocator.free(block.mfn, block.order);
    }
    assertEquals(allocator.managedFrames(), allocator.freeFrames());
    assertTrue(allocator.allocate(FrameAllocator.MAX_ORDER) > 0, "everything has merged again");
  }

  private static boolean noAlignedRun(BitSet free, int order) {
    for (int mfn = 0; mfn + (1 << order) <= FRAMES; mfn += 1 << order) {
      if (free.nextClearBit(mfn) >= mfn + (1 << order)) {
        return false;
      }
    }
    return true;
  }

  private long first(long mfn) {
    return memory.segment().get(ValueLayout.JAVA_LONG, mfn << 12);
  }

  @Test
  void outOfMemoryIsAResult() {
    int got = 0;
    while (allocator.allocate(0) != FrameAllocator.OUT_OF_MEMORY) {
      got++;
    }
    assertEquals(FRAMES - FIRST, got);
    assertEquals(0, allocator.freeFrames());
  }

  @Test
  void aFrameIsNotFreedTwice() {
    long mfn = allocator.allocate(0);
    allocator.free(mfn, 0);
    assertThrows(IllegalStateException.class, () -> allocator.free(mfn, 0));
  }

  @Test
  void aFrameThatSomebodyOwnsIsNotFreed() {
    long mfn = allocator.allocate(0);
    frames.assign(mfn, 3);
    assertThrows(IllegalStateException.class, () -> allocator.free(mfn, 0));
  }

  @Test
  void threadsNeverGetTheSameFrame() throws Exception {
    try (var pool = Executors.newFixedThreadPool(4)) {
      List<Callable<Void>> tasks = new ArrayList<>();
      for (int thread = 0; thread < 4; thread++) {
        int mark = thread + 1;
        tasks.add(() -> {
          Random random = new Random(mark);
          List<Long> mine = new ArrayList<>();
          for (int step = 0; step < 20_000; step++) {
            if (mine.size() < 100 && random.nextBoolean()) {
              long mfn = allocator.allocate(0);
              assertEquals(0, first(mfn));
              memory.segment().set(ValueLayout.JAVA_LONG, mfn << 12, mark);
              mine.add(mfn);
            } else if (!mine.isEmpty()) {
              long mfn = mine.remove(random.nextInt(mine.size()));
              assertEquals(mark, first(mfn));
              allocator.free(mfn, 0);
            }
          }
          mine.forEach(mfn -> allocator.free(mfn, 0));
          return null;
        });
      }
      for (var result : pool.invokeAll(tasks)) {
        result.get();
      }
    }
    assertEquals(allocator.managedFrames(), allocator.freeFrames());
  }
}
