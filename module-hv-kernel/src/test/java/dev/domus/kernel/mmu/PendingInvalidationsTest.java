package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.engine.VcpuEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What waits for a vCPU: each once, nothing lost, everything when it is too much. */
class PendingInvalidationsTest {
  private final TestMachine machine = new TestMachine();
  private final PendingInvalidations pending = new PendingInvalidations(machine.domain(1, 8).mmu);
  private final List<Long> done = new ArrayList<>();

  @AfterEach
  void close() {
    machine.close();
  }

  private void carryOut() {
    pending.carryOut(new Engine(done::add));
  }

  @Test
  void eachIsCarriedOutOnce() {
    pending.add(Invalidation.page(0));
    pending.add(Invalidation.addressSpace(0x5000));
    pending.add(Invalidation.page(0xFFF));
    carryOut();
    assertEquals(List.of(Invalidation.page(0), Invalidation.addressSpace(0x5000)), done);
    carryOut();
    assertEquals(2, done.size());
  }

  @Test
  void whatIsTooMuchOrEverythingIsOne() {
    for (int i = 0; i < 50; i++) {
      pending.add(Invalidation.page((long) i << 13));
    }
    carryOut();
    assertEquals(List.of(Invalidation.ALL), done);
    pending.add(Invalidation.page(0));
    pending.add(Invalidation.ALL);
    pending.add(Invalidation.page(0x1000));
    carryOut();
    carryOut();
    assertEquals(List.of(Invalidation.ALL, Invalidation.ALL), done);
  }

  @Test
  void whatIsPutInWhileAnotherIsCarriedOutIsNotLost() {
    long seven = Invalidation.page(0x7000);
    Engine engine =
        new Engine(invalidation -> {
          done.add(invalidation);
          if (done.size() < 3) {
            pending.add(seven); // as another thread may, just now
          }
        });
    pending.add(Invalidation.ALL);
    for (int i = 0; i < 4; i++) {
      pending.carryOut(engine);
    }
    assertEquals(List.of(Invalidation.ALL, seven, seven), done);
  }

  @Test
  void pagesThatFollowEachOtherShareAPlace() {
    int[] order = {5, 3, 4, 9, 4, 6};
    for (int page : order) {
      pending.add(Invalidation.page((long) page << 12));
    }
    carryOut();
    assertEquals(
        List.of(
            Invalidation.range(0x4000, 3 << 12),
            Invalidation.page(0x3000),
            Invalidation.page(0x9000)),
        done);
  }

  @Test
  void onlyPagesWithoutAGapAreJoined() {
    long five = Invalidation.range(0x5000, 2 << 12);
    long four = Invalidation.page(0x4000);
    assertEquals(Invalidation.range(0x4000, 3 << 12), Invalidation.joined(five, four));
    assertEquals(Invalidation.range(0x4000, 3 << 12), Invalidation.joined(four, five));
    assertEquals(five, Invalidation.joined(five, Invalidation.page(0x6000)));
    assertEquals(0, Invalidation.joined(five, Invalidation.page(0x7000 + 0x1000)));
    assertEquals(0, Invalidation.joined(five, Invalidation.ALL));
    assertEquals(0, Invalidation.joined(Invalidation.addressSpace(0x4000), five));
    long most = Invalidation.range(0, 4096L * Invalidation.MAX_PAGES);
    assertEquals(0, Invalidation.joined(most, Invalidation.page(4096L * Invalidation.MAX_PAGES)));
    assertEquals(0, Invalidation.joined(Invalidation.page(-4096), Invalidation.page(0)));
    assertEquals(
        Invalidation.range(Long.MAX_VALUE, 2),
        Invalidation.joined(Invalidation.page(Long.MIN_VALUE), Invalidation.page(Long.MAX_VALUE)));
  }

  @Test
  void rangesAreAsLongAsTheyFit() {
    assertEquals(Invalidation.page(0x1000), Invalidation.range(0x1234, 0));
    assertEquals(Invalidation.page(0x1000), Invalidation.range(0x1FFF, 1));
    long two = Invalidation.range(0x1FFF, 2);
    assertEquals(Invalidation.Kind.PAGES, Invalidation.kind(two));
    assertEquals(0x1000, Invalidation.va(two));
    assertEquals(2, Invalidation.pages(two));
    long most = Invalidation.range(-1L << 30, 4096L * Invalidation.MAX_PAGES);
    assertEquals(Invalidation.MAX_PAGES, Invalidation.pages(most));
    assertEquals(-1L << 30, Invalidation.va(most));
    assertEquals(Invalidation.ALL, Invalidation.range(1, 4096L * Invalidation.MAX_PAGES));
    assertEquals(Invalidation.ALL, Invalidation.range(0, -1));
    assertEquals(Invalidation.ALL, Invalidation.range(-4096, 8192), "around the end");
    assertEquals(1, Invalidation.pages(Invalidation.range(-4096, 4096)));
    long space = Invalidation.addressSpace(0xFF_FFFF_F000L);
    assertEquals(Invalidation.Kind.ADDRESS_SPACE, Invalidation.kind(space));
    assertEquals(0xFF_FFFF_F000L, Invalidation.cr3(space));
  }

  /**
   * Three threads change pages and ask; what each has asked for has been done when it is told so.
   */
  @Test
  void nothingIsLostBetweenThoseWhoAskAndTheOneWhoDoes() throws Exception {
    int pages = 12;
    int askers = 3;
    int rounds = 20_000;
    AtomicLongArray wanted = new AtomicLongArray(pages);
    AtomicLongArray carriedOut = new AtomicLongArray(pages);
    AtomicLongArray asked = new AtomicLongArray(askers);
    AtomicLongArray answered = new AtomicLongArray(askers);
    AtomicBoolean over = new AtomicBoolean();
    VcpuEngine engine =
        new Engine(invalidation -> {
          boolean all = invalidation == Invalidation.ALL;
          int from = all ? 0 : (int) (Invalidation.va(invalidation) >>> 12);
          int end = all ? pages : from + Invalidation.pages(invalidation);
          for (int page = from; page < end; page++) {
            carriedOut.set(page, wanted.get(page));
          }
        });
    try (ExecutorService threads = Executors.newFixedThreadPool(askers + 1)) {
      Future<?> vcpu =
          threads.submit(() -> {
            long[] seen = new long[askers];
            while (!over.get()) {
              for (int i = 0; i < askers; i++) {
                seen[i] = asked.get(i);
              }
              pending.carryOut(engine);
              for (int i = 0; i < askers; i++) {
                answered.set(i, seen[i]);
              }
            }
          });
      List<Callable<Integer>> all = new ArrayList<>();
      for (int i = 0; i < askers; i++) {
        int me = i;
        all.add(() -> {
          Random random = new Random(me);
          int lost = 0;
          for (int round = 1; round <= rounds; round++) {
            int page = random.nextInt(pages);
            long version = wanted.incrementAndGet(page);
            pending.add(
                random.nextInt(50) == 0 ? Invalidation.ALL : Invalidation.page((long) page << 12));
            asked.set(me, round);
            while (answered.get(me) < round && !vcpu.isDone()) {
              Thread.onSpinWait();
            }
            lost += carriedOut.get(page) < version ? 1 : 0;
          }
          return lost;
        });
      }
      int lost = 0;
      try {
        for (Future<Integer> asker : threads.invokeAll(all)) {
          lost += asker.get();
        }
      } finally {
        over.set(true);
      }
      vcpu.get();
      assertEquals(0, lost);
      assertTrue(answered.get(0) >= rounds);
    }
  }

  private record Engine(LongConsumer told) implements VcpuEngine {
    @Override
    public void invalidate(long invalidation) {
      told.accept(invalidation);
    }

    @Override
    public Exit run(long budget) {
      throw new AssertionError("runs no guest");
    }

    @Override
    public Exit stepOver(long va, long mfn) {
      throw new AssertionError("runs no guest");
    }

    @Override
    public void kick() {}

    @Override
    public void close() {}
  }
}
