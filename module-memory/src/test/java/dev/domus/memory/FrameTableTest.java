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
  void aDescriptorPageThatWasForgottenIsValidatedAgain() {
    assertEquals(FrameTable.MUST_VALIDATE, frames.takeType(MFN, FrameTable.SEGDESC));
    frames.validated(MFN);
    assertFalse(frames.forgetType(MFN), "it is in use");
    assertEquals(FrameTable.LAST, frames.putType(MFN));
    assertTrue(frames.forgetType(MFN));
    assertEquals(FrameTable.NONE, frames.type(MFN));
    assertEquals(FrameTable.MUST_VALIDATE, frames.takeType(MFN, FrameTable.SEGDESC));
    assertFalse(frames.forgetType(MFN), "it is being validated");
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
    assertTrue(frames.linear().addEntry(MFN));
    assertFalse(frames.linear().addUse(MFN));
    frames.linear().removeEntry(MFN);
    assertTrue(frames.linear().addUse(MFN));
    assertFalse(frames.linear().addEntry(MFN));
    assertThrows(IllegalStateException.class, () -> frames.linear().removeEntry(MFN));
  }

  @Test
  void aPartialTableIsResumedAsWhatItIsAndRefusedAsAnythingElse() {
    frames.takeType(MFN, FrameTable.L3);
    frames.park(MFN, 17);
    assertTrue(frames.isPartial(MFN));
    assertEquals(17, frames.progress(MFN));
    assertEquals(1, frames.typeCount(MFN), "the state's own");
    assertEquals(2, frames.references(MFN), "the allocation's and the state's");
    assertFalse(frames.isInUseAs(MFN, FrameTable.L3));
    for (int type = FrameTable.L1; type <= FrameTable.WRITABLE; type++) {
      if (type != FrameTable.L3) {
        assertEquals(FrameTable.REFUSED, frames.takeType(MFN, type));
      }
    }
    assertThrows(IllegalStateException.class, () -> frames.putType(MFN), "nobody holds it");
    assertEquals(FrameTable.MUST_RESUME, frames.takeType(MFN, FrameTable.L3));
    assertEquals(17, frames.progress(MFN));
    assertEquals(1, frames.references(MFN));
    assertEquals(FrameTable.REFUSED, frames.takeType(MFN, FrameTable.L3), "one resumes it");
    assertFalse(frames.takePartial(MFN));
    frames.validated(MFN);
    assertTrue(frames.isInUseAs(MFN, FrameTable.L3));
    assertEquals(0, frames.progress(MFN));
    assertEquals(FrameTable.TAKEN, frames.takeType(MFN, FrameTable.L3));
  }

  @Test
  void whatWasBegunIsUndoneByWhoeverTakesIt() {
    frames.takeType(MFN, FrameTable.L2);
    frames.validated(MFN);
    frames.putType(MFN);
    frames.park(MFN, 512);
    assertEquals(512, frames.progress(MFN));
    assertTrue(frames.takePartial(MFN));
    frames.park(MFN, 3);
    assertTrue(frames.takePartial(MFN));
    frames.devalidated(MFN);
    assertFalse(frames.isPartial(MFN));
    assertFalse(frames.takePartial(MFN));
    assertEquals(FrameTable.TAKEN, frames.takeType(MFN, FrameTable.WRITABLE));
    assertThrows(IllegalStateException.class, () -> frames.park(MFN, 1), "not BUSY");
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
      int successes = 0; // a thread alone may have none, if the host stops another in mid-use
      for (var result : pool.invokeAll(tasks)) {
        successes += result.get();
      }
      assertTrue(successes > 0);
    }
    if (frames.takePartial(MFN)) {
      frames.devalidated(MFN);
    }
    assertEquals(1, frames.references(MFN));
    assertEquals(0, frames.typeCount(MFN));
  }

  private boolean use(int level, boolean good, AtomicInteger writers, AtomicInteger tables) {
    if (frames.takePartial(MFN)) {
      assertEquals(0, writers.get());
      frames.devalidated(MFN);
    }
    int taken = frames.takeType(MFN, level);
    if (taken == FrameTable.REFUSED) {
      return false;
    }
    tables.incrementAndGet();
    assertEquals(0, writers.get());
    if (taken != FrameTable.TAKEN && !good) {
      tables.decrementAndGet();
      if (level % 2 == 0) {
        frames.validationFailed(MFN);
      } else {
        frames.park(MFN, level); // for anybody to go on with, or to undo
      }
      return true;
    }
    if (taken != FrameTable.TAKEN) {
      assertEquals(taken == FrameTable.MUST_RESUME ? level : 0, frames.progress(MFN));
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
