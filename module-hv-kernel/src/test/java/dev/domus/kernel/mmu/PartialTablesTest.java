package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.mmu.TableWork.RESTART;
import static dev.domus.kernel.mmu.TestMachine.LEAF;
import static dev.domus.kernel.mmu.TestMachine.TABLE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Long changes of page tables, preempted after every table, abandoned, and met by a second vCPU.
 * The whole frame table is scanned after each execution, so that every state in between is checked.
 */
@Timeout(60)
class PartialTablesTest {
  private static final int WIDTH = 3;

  private final TestMachine m = new TestMachine();
  private final TestDomain d = m.domain(1, 400);
  private final TestDomain stranger = m.domain(2, 20);
  private final TestVcpu a = d.vcpus[0];
  private final TestVcpu b = d.vcpus[1];
  private final InvariantScanner scanner = new InvariantScanner(m);
  private final List<Long> tree = new ArrayList<>();

  @AfterEach
  void everythingGoesWithTheDomain() {
    scanner.scan();
    d.mmu.relinquish(d.vcpus);
    assertEquals(0, d.mmu.pages());
    scanner.scan();
    m.close();
  }

  /** A table with {@link #WIDTH} entries on each level, down to writable pages. */
  private long tree(int level) {
    long table = d.page();
    for (int i = 0; i < (level == 4 ? 2 : WIDTH); i++) {
      long below = level == 1 ? d.page() : tree(level - 1);
      int index = i == 0 ? 0 : 511 - i; // and much nothing in between
      m.poke(table, index, Pte.of(below, level == 1 ? LEAF | Pte.W : TABLE));
    }
    tree.add(table);
    return table;
  }

  private void assertNoTables() {
    for (long table : tree) {
      assertEquals(0, m.frames.typeCount(table), () -> m.frames.describe(table));
    }
  }

  /** Executes a call once, as a vCPU does that is preempted wherever it can be. */
  private int once(TestVcpu v, java.util.function.ToIntFunction<TableWork> call) {
    v.preempt = () -> true;
    int result = v.work.finish() ? call.applyAsInt(v.work) : RESTART;
    v.preempt = () -> false;
    scanner.scan();
    return result;
  }

  private int executions(
      TestVcpu v, int expected, java.util.function.ToIntFunction<TableWork> call) {
    int executions = 1;
    int result = once(v, call);
    while (result == RESTART) {
      result = once(v, call);
      executions++;
    }
    assertEquals(expected, result);
    while (v.work.isUnfinished()) {
      once(v, work -> 0);
      executions++;
    }
    return executions;
  }

  private int pinOnce(TestVcpu v, long table) {
    return once(v, work -> d.mmu.roots().pin(4, table, work));
  }

  @Test
  void aPinAndAnUnpinThatArePreemptedAfterEveryTableEndAllTheSame() {
    long l4 = tree(4);
    int pins = executions(a, 0, work -> d.mmu.roots().pin(4, l4, work));
    assertTrue(pins > tree.size() / 2, "executions=" + pins + " tables=" + tree.size());
    assertTrue(m.frames.isInUseAs(l4, FrameTable.L4));
    int unpins = executions(a, 0, work -> d.mmu.roots().unpin(l4, work));
    assertTrue(unpins > tree.size() / 2, "executions=" + unpins + " tables=" + tree.size());
    assertNoTables();
  }

  @Test
  void nobodyUsesATableThatIsHalfValidated() {
    long l4 = tree(4);
    assertEquals(RESTART, pinOnce(a, l4));
    assertTrue(m.frames.isPartial(l4));
    assertFalse(m.machine.getWritable(1, l4), "a grant, a window");
    assertEquals(-EINVAL, d.mmu.setGdt(b, new long[] {l4}, 1));
    assertEquals(-EINVAL, d.mmu.entries().updateDescriptor(l4 << 12, 0));
    assertEquals(-EINVAL, d.mmu.entries().clearPage(l4));
    assertEquals(-EINVAL, d.unpin(b, l4));
    assertFalse(d.mmu.giveBackUnused(l4));
    assertEquals(-EINVAL, d.mmu.exchange(new long[] {l4}, 0, new long[1]));
    assertEquals(-EINVAL, stranger.pin(4, l4));
    assertTrue(m.frames.isPartial(l4), "nobody has touched it");
  }

  @Test
  void whoeverWantsTheSameGoesOnWhereItStopped() {
    long l4 = tree(4);
    int all = executions(a, 0, work -> d.mmu.roots().pin(4, l4, work));
    d.unpin(l4);
    for (int i = 0; i < all / 2; i++) {
      assertEquals(RESTART, pinOnce(a, l4));
    }
    int rest = executions(b, 0, work -> d.mmu.roots().newBasePointer(b, l4, work));
    assertTrue(rest <= all - all / 2 + 1, "all=" + all + " rest=" + rest);
    assertEquals(0, pinOnce(a, l4), "one more reference, at once");
    assertEquals(2, m.frames.typeCount(l4));
  }

  @Test
  void aTableBelowThatAnotherVcpuHasCompletedIsTakenAsItIs() {
    long l4 = tree(4);
    assertEquals(RESTART, pinOnce(a, l4));
    long l3 = d.table(l4, 0, 3);
    assertTrue(m.frames.isPartial(l3));
    assertEquals(0, d.pin(b, 3, l3));
    assertEquals(0, d.pin(a, 4, l4));
    assertEquals(2, m.frames.typeCount(l3));
  }

  @Test
  void aStoreToATableOfAnAbandonedCallComesFirst() {
    long l4 = tree(4);
    for (int i = 0; i < 6; i++) {
      assertEquals(RESTART, pinOnce(a, l4));
    }
    assertEquals(0, d.updateAt(b, (l4 << 12) + 8 * 7, 0x1234_5678, 1, false));
    assertEquals(0x1234_5678, m.entry(l4, 7));
    assertNoTables();
    assertEquals(0, d.updateAt(b, (l4 << 12) + 8 * 7, 0, 1, false));
    assertEquals(0, d.pin(a, 4, l4), "and the call, if it is made after all, begins anew");
  }

  @Test
  void aTableOfAnAbandonedCallBecomesSomethingElseWhenItIsNeeded() {
    long page = d.page();
    long first = d.table(tree(4), 0, 2);
    long l4 = tree.getLast();
    assertEquals(RESTART, pinOnce(a, l4));
    assertTrue(m.frames.isPartial(first));
    long l1 = d.page(0, Pte.of(page, LEAF));
    assertEquals(0, d.pin(b, 1, l1));
    int executions =
        executions(
            b,
            0,
            work -> d.mmu.entries().update(l1 << 12, Pte.of(first, LEAF | Pte.W), 1, false, work));
    assertTrue(executions >= 2, "undone in steps");
    assertEquals(FrameTable.WRITABLE, m.frames.type(first));
    assertEquals(-EINVAL, d.pin(a, 4, l4), "the call comes too late");
    assertEquals(0, m.frames.typeCount(l4));
  }

  /** XSA-290, and what 5.4 asks: however much was done, an error leaves nothing. */
  @Test
  void aBadEntryThatIsFoundLateIsUndoneInStepsBeforeTheCallIsOver() {
    long l4 = tree(4);
    long l3 = Pte.mfn(m.entry(l4, 510));
    long l2 = Pte.mfn(m.entry(l3, 509));
    long l1 = Pte.mfn(m.entry(l2, 509));
    m.poke(l1, 509, Pte.of(stranger.page(), LEAF));
    AtomicInteger errors = new AtomicInteger();
    int executions =
        executions(
            a,
            -dev.domus.kernel.abi.Errno.EBUSY,
            work -> {
              int result = d.mmu.roots().pin(4, l4, work);
              errors.addAndGet(result < 0 ? 1 : 0);
              return result;
            });
    assertTrue(executions > tree.size(), "there and back: executions=" + executions);
    assertEquals(1, errors.get(), "validated once, not again and again");
    assertNoTables();
  }

  @Test
  void anEntryIsReplacedAllAtOnceHoweverLongItTakes() {
    long l4 = tree(4);
    assertEquals(0, d.newBasePointer(b, l4));
    long old = m.entry(l4, 0);
    long fresh = tree(3);
    long entry = Pte.of(fresh, TABLE);
    int changes = 0;
    int executions = 0;
    long seen = old;
    int result = RESTART;
    while (result == RESTART || a.work.isUnfinished()) {
      result =
          result == RESTART
              ? once(a, work -> d.mmu.entries().update(l4 << 12, entry, 1, false, work))
              : once(a, work -> EntryUpdates.TREE_CHANGED);
      executions++;
      changes += m.entry(l4, 0) != seen ? 1 : 0;
      seen = m.entry(l4, 0);
      b.access(0, true);
    }
    assertEquals(EntryUpdates.TREE_CHANGED, result);
    assertEquals(1, changes);
    assertTrue(executions > 2 * WIDTH, "executions=" + executions);
    assertEquals(0, m.frames.typeCount(Pte.mfn(old)));
    assertTrue(m.frames.isInUseAs(fresh, FrameTable.L3));
  }

  @Test
  void aTreeHalfTakenApartIsTakenInUseAgain() {
    long l4 = tree(4);
    assertEquals(0, d.pin(4, l4));
    assertEquals(0, once(a, work -> d.mmu.roots().unpin(l4, work)));
    assertTrue(a.work.isUnfinished());
    assertTrue(m.frames.isPartial(l4));
    assertEquals(0, d.newBasePointer(b, l4));
    d.finish(a);
    assertTrue(m.frames.isInUseAs(l4, FrameTable.L4), "what a had left to do is not to be done");
    assertEquals(0, d.pin(a, 4, l4));
  }

  @Test
  void basePointersAreLoadedAndDroppedInSteps() {
    long first = tree(4);
    assertTrue(executions(a, 0, work -> d.mmu.roots().newBasePointer(a, first, work)) > 4);
    assertTrue(executions(a, 0, work -> d.mmu.roots().newUserBasePointer(a, 0, true, work)) == 1);
    long second = tree(4);
    assertTrue(
        executions(a, 0, work -> d.mmu.roots().newUserBasePointer(a, second, true, work)) > 4);
    assertTrue(executions(a, 0, work -> d.mmu.roots().newBasePointer(a, second, work)) > 4);
    assertEquals(0, m.frames.typeCount(first));
    assertEquals(2, m.frames.typeCount(second));
  }

  @Test
  void aVcpuIsSetUpWithBothTablesThoughEachTakesManySteps() {
    long kernel = tree(4);
    long user = tree(4);
    int executions =
        executions(
            a,
            0,
            work -> d.mmu.roots().setUpVcpu(b, kernel, user, true, new long[0], 0, 0, 0, work));
    assertTrue(executions < 3 * tree.size(), "nothing is done over: executions=" + executions);
    assertEquals(kernel, b.kernelTable());
    assertEquals(user, b.userTable());
  }

  @Test
  void linearTablesBelowAreTakenApartInStepsToo() {
    long x = tree(2);
    long l2 = tree(2);
    assertEquals(0, d.pin(2, x));
    assertEquals(0, d.pin(2, l2));
    d.mustUpdate(l2, 100, Pte.of(x, LEAF));
    assertEquals(0, d.unpin(x), "held by the linear entry");
    assertTrue(m.frames.isInUseAs(x, FrameTable.L2));
    assertTrue(executions(a, 0, work -> d.mmu.roots().unpin(l2, work)) >= 2 * WIDTH - 1);
    assertNoTables();
    assertEquals(0, m.frames.linear().count(x));
  }

  /** XSA-240: what a guest has written into tables that it abandons leads no further than one. */
  @Test
  void chainsOfPartialTablesAreNotFollowed() {
    long[] chain = new long[60];
    long next = d.page();
    for (int i = chain.length - 1; i >= 0; i--) {
      long l1 = d.page(0, Pte.of(d.page(), LEAF));
      long l2 = d.page(0, Pte.of(l1, TABLE));
      chain[i] = d.page(0, Pte.of(l2, TABLE), 1, Pte.of(next, LEAF));
      next = chain[i];
    }
    for (long l3 : chain) {
      int result = RESTART;
      while (result == RESTART && m.frames.progress(l3) < 1) {
        result = once(a, work -> d.mmu.roots().pin(3, l3, work));
      }
      assertEquals(RESTART, result);
      assertEquals(1, m.frames.progress(l3), "the next entry leads to the next of the chain");
    }
    assertEquals(0, d.updateAt(b, (chain[0] << 12) + 8 * 9, 0, 1, false));
    assertFalse(m.frames.isPartial(chain[0]));
    assertTrue(m.frames.isPartial(chain[2]));
    assertTrue(m.frames.isPartial(chain[59]));
  }

  @Test
  void aDomainDiesInTheMiddleOfEverything() {
    long pinned = tree(4);
    long begun = tree(4);
    long current = tree(4);
    assertEquals(0, d.pin(4, pinned));
    assertEquals(0, once(a, work -> d.mmu.roots().unpin(pinned, work)));
    assertTrue(a.work.isUnfinished());
    assertEquals(RESTART, pinOnce(b, begun));
    assertEquals(0, d.newBasePointer(b, current));
    assertTrue(m.frames.isPartial(pinned));
  } // and the rest is everythingGoesWithTheDomain

  /** What a guest has left to do is not done to a frame that is somebody else's by then. */
  @Test
  void whatIsLeftOfADeadDomainIsNobodysWork() {
    TestDomain dying = new TestDomain(m, 3, 40);
    TestVcpu v = dying.vcpus[0];
    long l4 = dying.tree(0x5000, Pte.of(dying.page(), LEAF | Pte.W));
    assertEquals(0, dying.pin(4, l4));
    v.preempt = () -> true;
    assertEquals(0, dying.mmu.roots().unpin(l4, v.work));
    assertTrue(v.work.isUnfinished());
    dying.mmu.relinquish(dying.vcpus);
    TestDomain heir = m.domain(3, m.allocator.freeFrames());
    long below = Pte.mfn(m.entry(heir.tree(0x5000, Pte.of(heir.page(), LEAF | Pte.W)), 0));
    while (heir.page() != l4) {
      assertTrue(m.allocator.freeFrames() > 0, "the frame comes again");
    }
    m.poke(l4, 0, Pte.of(below, TABLE));
    TestVcpu w = heir.vcpus[0];
    w.preempt = () -> true;
    assertEquals(RESTART, heir.mmu.roots().pin(4, l4, w.work));
    assertTrue(m.frames.isPartial(l4));
    assertTrue(v.work.finish());
    assertTrue(m.frames.isPartial(l4), "the heir's, under the heir's lock");
    heir.mmu.relinquish(heir.vcpus);
    m.domains.remove(heir);
  }

  /** A vCPU that waits for the lock holds up its pCPU, and so other domains. */
  @Test
  void aSecondVcpuGetsTheLockInTheMiddleOfALongCall() throws Exception {
    long l4 = tree(4);
    long page = d.page();
    assertEquals(0, d.newBasePointer(b, d.tree(0x3000, Pte.of(page, LEAF))));
    AtomicBoolean done = new AtomicBoolean();
    Thread other =
        Thread.ofPlatform()
            .unstarted(() -> {
              assertEquals(0, d.updateMapping(b, 0x3000, Pte.of(page, LEAF | Pte.W), 1));
              done.set(true);
            });
    AtomicInteger looks = new AtomicInteger();
    AtomicInteger doneAt = new AtomicInteger(-1);
    a.preempt =
        () -> {
          if (looks.getAndIncrement() == 0) {
            other.start();
            while (other.getState() != Thread.State.WAITING) {
              Thread.onSpinWait(); // until it is queued behind us
            }
          } else if (done.get()) {
            doneAt.compareAndSet(-1, looks.get());
          }
          return false;
        };
    assertEquals(0, d.mmu.roots().pin(4, l4, a.work));
    other.join();
    assertNotEquals(-1, doneAt.get(), "it had to wait to the end: looks=" + looks);
    a.preempt = () -> false;
  }

  @Test
  void twoVcpusPinChangeAndUnpinOneTree() throws Exception {
    long l4 = tree(4);
    long l3 = d.table(l4, 0, 3);
    long spare = tree(3);
    AtomicInteger successes = new AtomicInteger();
    Thread[] threads = new Thread[2];
    AtomicBoolean failed = new AtomicBoolean();
    for (int i = 0; i < 2; i++) {
      TestVcpu v = d.vcpus[i];
      java.util.Random random = new java.util.Random(i);
      java.util.Random preemption = new java.util.Random(10 + i);
      v.preempt = () -> preemption.nextInt(3) == 0;
      threads[i] =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  for (int step = 0; step < 3000; step++) {
                    int result =
                        switch (random.nextInt(6)) {
                          case 0 -> d.pin(v, 4, l4);
                          case 1 -> d.unpin(v, l4);
                          case 2 -> d.pin(v, 3, random.nextBoolean() ? l3 : spare);
                          case 3 -> d.unpin(v, random.nextBoolean() ? l3 : spare);
                          case 4 ->
                              d.updateAt(
                                  v,
                                  l4 << 12,
                                  Pte.of(random.nextBoolean() ? l3 : spare, TABLE),
                                  1,
                                  false);
                          default -> d.newBasePointer(v, l4);
                        };
                    successes.addAndGet(result >= 0 ? 1 : 0);
                  }
                } catch (Throwable e) {
                  e.printStackTrace();
                  failed.set(true);
                }
              });
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertFalse(failed.get());
    assertTrue(successes.get() > 1000, "successes=" + successes);
    for (long table : tree) {
      assertFalse(m.frames.isPartial(table), "calls that are over leave nothing half done");
    }
  }
}
