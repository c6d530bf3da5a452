package dev.domus.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FrameTableTest {
  private static final long MFN = 5;

  private final FrameTable frames = new FrameTable(64);

  @BeforeEach
  void own() {
    frames.assign(MFN, 1);
  }

  @AfterEach
  void close() {
    frames.close();
  }

  @Test
  void onlyTheOwnerIsGivenReferences() {
    assertTrue(frames.get(MFN, 1));
    assertFalse(frames.get(MFN, 2));
    assertFalse(frames.get(6, FrameTable.NOBODY), "nobody's frames cannot be referred to");
    assertEquals(2, frames.references(MFN));
  }

  @Test
  void numbersThatNoFrameHasAreRefused() {
    for (long mfn :
        new long[] {64, -1, 1L << 59, Long.MIN_VALUE, (1L << 59) + MFN, 0xF_FFFF_FFFFL}) {
      assertFalse(frames.get(mfn, 1), () -> "mfn=" + mfn);
      assertFalse(frames.get(mfn, FrameTable.NOBODY));
      assertThrows(
          IndexOutOfBoundsException.class, () -> frames.takeType(mfn, FrameTable.WRITABLE));
    }
  }

  @Test
  void anAllocationIsDroppedOnce() {
    assertTrue(frames.get(MFN, 1));
    assertTrue(frames.dropAllocation(MFN));
    assertFalse(frames.dropAllocation(MFN));
    assertFalse(frames.put(MFN));
    assertTrue(frames.put(MFN));
    frames.release(MFN);
    assertEquals(FrameTable.NOBODY, frames.owner(MFN));
    assertThrows(IllegalStateException.class, () -> frames.put(MFN));
  }

  @Test
  void aFrameIsNeverWritableAndATable() {
    assertEquals(FrameTable.TAKEN, frames.takeType(MFN, FrameTable.WRITABLE));
    for (int type = FrameTable.L1; type <= FrameTable.SEGDESC; type++) {
      assertEquals(FrameTable.REFUSED, frames.takeType(MFN, type));
    }
    assertEquals(FrameTable.LAST, frames.putType(MFN));
    assertEquals(FrameTable.MUST_VALIDATE, frames.takeType(MFN, FrameTable.L2));
    assertEquals(FrameTable.REFUSED, frames.takeType(MFN, FrameTable.WRITABLE));
    assertEquals(
        FrameTable.REFUSED, frames.takeType(MFN, FrameTable.L2), "not while it is validated");
    frames.validated(MFN);
    assertEquals(FrameTable.REFUSED, frames.takeType(MFN, FrameTable.WRITABLE));
    assertEquals(FrameTable.TAKEN, frames.takeType(MFN, FrameTable.L2));
    assertEquals(FrameTable.KEPT, frames.putType(MFN));
    assertEquals(FrameTable.MUST_DEVALIDATE, frames.putType(MFN));
    assertEquals(
        FrameTable.REFUSED,
        frames.takeType(MFN, FrameTable.WRITABLE),
        "not while it is taken apart");
    frames.devalidated(MFN);
    assertEquals(FrameTable.TAKEN, frames.takeType(MFN, FrameTable.WRITABLE));
  }

  @Test
  void aTableIsValidatedAgainButADescriptorPageIsNot() {
    frames.takeType(MFN, FrameTable.SEGDESC);
    frames.validated(MFN);
    assertEquals(FrameTable.LAST, frames.putType(MFN));
    assertEquals(FrameTable.TAKEN, frames.takeType(MFN, FrameTable.SEGDESC));
    frames.putType(MFN);
    frames.takeType(MFN, FrameTable.L1);
    frames.validated(MFN);
    frames.putType(MFN);
    frames.devalidated(MFN);
    assertEquals(FrameTable.MUST_VALIDATE, frames.takeType(MFN, FrameTable.L1));
  }

  @Test
  void aFailedValidationLeavesNoReference() {
    frames.takeType(MFN, FrameTable.L4);
    frames.validationFailed(MFN);
    assertEquals(0, frames.typeCount(MFN));
    assertEquals(FrameTable.TAKEN, frames.takeType(MFN, FrameTable.WRITABLE));
    assertThrows(IllegalStateException.class, () -> frames.validated(MFN));
  }

  @Test
  void aTableIsALinearTargetOrHoldsLinearEntriesNeverBoth() {
    assertTrue(frames.addLinearEntry(MFN));
    assertFalse(frames.addLinearUse(MFN));
    frames.removeLinearEntry(MFN);
    assertTrue(frames.addLinearUse(MFN));
    assertFalse(frames.addLinearEntry(MFN));
    assertThrows(IllegalStateException.class, () -> frames.removeLinearEntry(MFN));
  }

  @Test
  void ownersChangeOnlyBetweenUses() {
    assertTrue(frames.get(MFN, 1));
    assertFalse(frames.changeOwner(MFN, 1, 2));
    frames.put(MFN);
    assertTrue(frames.changeOwner(MFN, 1, 2));
    assertEquals(2, frames.owner(MFN));
    assertFalse(frames.changeOwner(MFN, 1, 2));
  }

  @Test
  void aFrameInUseIsNotReleased() {
    frames.takeType(MFN, FrameTable.WRITABLE);
    frames.dropAllocation(MFN);
    frames.put(MFN);
    assertThrows(IllegalStateException.class, () -> frames.release(MFN));
  }

  /**
   * Threads want one frame for different uses; whoever has it says so in a variable that nobody
   * else may find set.
   */
  @Test
  void racingUsesExcludeEachOther() throws Exception {
    AtomicInteger writers = new AtomicInteger();
    AtomicInteger tables = new AtomicInteger();
    try (var pool = Executors.newFixedThreadPool(4)) {
      List<Callable<Integer>> tasks = new ArrayList<>();
      for (int thread = 0; thread < 4; thread++) {
        int seed = thread;
        tasks.add(() -> {
          Random random = new Random(seed);
          int successes = 0;
          for (int step = 0; step < 100_000; step++) {
            assertTrue(frames.get(MFN, 1));
            if (random.nextBoolean()) {
              if (frames.takeType(MFN, FrameTable.WRITABLE) == FrameTable.TAKEN) {
                writers.incrementAndGet();
                assertEquals(0, tables.get());
                writers.decrementAndGet();
                frames.putType(MFN);
                successes++;
              }
            } else if (use(
                FrameTable.L1 + random.nextInt(4), random.nextBoolean(), writers, tables)) {
              successes++;
            }
            assertFalse(frames.put(MFN));
          }
          return successes;
        });
      }
      for (var result : pool.invokeAll(tasks)) {
        assertTrue(result.get() > 0);
      }
    }
    assertEquals(1, frames.references(MFN));
    assertEquals(0, frames.typeCount(MFN));
  }

  private boolean use(int level, boolean good, AtomicInteger writers, AtomicInteger tables) {
    int taken = frames.takeType(MFN, level);
    if (taken == FrameTable.REFUSED) {
      return false;
    }
    tables.incrementAndGet();
    assertEquals(0, writers.get());
    if (taken == FrameTable.MUST_VALIDATE && !good) {
      tables.decrementAndGet();
      frames.validationFailed(MFN);
      return true;
    }
    if (taken == FrameTable.MUST_VALIDATE) {
      frames.validated(MFN);
    }
    assertTrue(frames.isInUseAs(MFN, level));
    tables.decrementAndGet();
    if (frames.putType(MFN) == FrameTable.MUST_DEVALIDATE) {
      frames.devalidated(MFN);
    }
    return true;
  }

  @Test
  void racingPinsSucceedOnce() throws Exception {
    AtomicInteger pinned = new AtomicInteger();
    frames.takeType(MFN, FrameTable.L4);
    frames.validated(MFN);
    try (var pool = Executors.newFixedThreadPool(4)) {
      for (int thread = 0; thread < 4; thread++) {
        pool.submit(() -> {
          for (int step = 0; step < 50_000; step++) {
            if (frames.pin(MFN)) {
              assertEquals(1, pinned.incrementAndGet());
              pinned.decrementAndGet();
              assertTrue(frames.unpin(MFN));
            }
          }
        });
      }
    }
    assertFalse(frames.isPinned(MFN));
  }
}
