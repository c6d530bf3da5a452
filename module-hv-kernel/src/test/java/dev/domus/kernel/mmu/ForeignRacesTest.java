package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/**
 * A domain is destroyed while a privileged one maps its frames, changes its tables and its
 * reservation: no frame is lost, freed early, or left with a reference that nobody holds.
 */
class ForeignRacesTest {
  private static final int ROUNDS = 150;
  private static final int PAGES = 24;
  private static final int PRIVILEGED = 1, TARGET = 2;
  private static final long VA = 0x40_0000;

  private final TestMachine m = new TestMachine();
  private final TestDomain privileged = m.domain(PRIVILEGED, 64);
  private final InvariantScanner scanner = new InvariantScanner(m).privileged(PRIVILEGED);
  private final AtomicBoolean over = new AtomicBoolean();
  private long mapped;

  @Test
  void aDomainIsDestroyedWhileAnotherMapsItsFramesAndChangesItsTables() throws Exception {
    TestVcpu v = privileged.vcpus[0];
    assertEquals(0, privileged.newBasePointer(v, privileged.tree(VA, 0)));
    try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
      for (int round = 0; round < ROUNDS; round++) {
        TestDomain target = m.domain(TARGET, PAGES);
        long l4 = target.tree(VA, 0);
        assertEquals(0, target.newBasePointer(target.vcpus[0], l4));
        long l1 = target.table(l4, VA, 1);
        List<Long> pages = new ArrayList<>();
        for (int i = 0; i < PAGES - 4; i++) {
          pages.add(target.page());
        }
        over.set(false);
        int seed = round;
        Future<?> mapper = threads.submit(() -> map(v, pages, seed));
        Future<?> changer = threads.submit(() -> change(target, l1, pages, seed));
        TimeUnit.MICROSECONDS.sleep(new Random(round).nextInt(2000));
        target.mmu.relinquish(target.vcpus);
        over.set(true);
        mapper.get(20, TimeUnit.SECONDS);
        changer.get(20, TimeUnit.SECONDS);
        m.domains.remove(target);
        scanner.scan();
        for (int i = 0; i < 8; i++) {
          assertEquals(0, privileged.updateMapping(v, VA + (i << 12), 0, PRIVILEGED));
        }
        scanner.scan();
        assertFalse(m.machine.isOwner(TARGET), "the dead domain's id is free again");
        for (int mfn = 1; mfn < TestMachine.FRAMES; mfn++) {
          assertTrue(m.frames.owner(mfn) != TARGET);
        }
      }
      assertTrue(mapped > ROUNDS, "hardly anything was mapped: " + mapped);
    } finally {
      m.close();
    }
  }

  private void map(TestVcpu v, List<Long> pages, int seed) {
    Random random = new Random(seed);
    while (!over.get()) {
      long va = VA + ((long) random.nextInt(8) << 12);
      long page = pages.get(random.nextInt(pages.size()));
      long flags = Pte.P | Pte.U | (random.nextBoolean() ? Pte.W : 0);
      long entry = random.nextInt(4) == 0 ? 0 : Pte.of(page, flags);
      if (privileged.updateMapping(v, va, entry, TARGET) == 0) {
        mapped++;
      }
      v.observe(va);
      assertEquals(null, v.complaint());
    }
  }

  private void change(TestDomain target, long l1, List<Long> pages, int seed) {
    Random random = new Random(seed + 1000);
    while (!over.get()) {
      long page = pages.get(random.nextInt(pages.size()));
      int index = random.nextInt(8) + 16;
      switch (random.nextInt(6)) {
        case 0 -> target.pin(target.vcpus[1], FrameTable.L1, page);
        case 1 -> target.unpin(target.vcpus[1], page);
        case 2 -> target.mmu.giveBackUnused(page);
        case 3 -> target.mmu.entries().clearPage(page);
        case 4 -> target.mmu.allocate(0);
        default ->
            target.updateAt(
                target.vcpus[1],
                (l1 << 12) + 8L * index,
                Pte.of(page, Pte.P | Pte.U),
                TARGET,
                false);
      }
    }
  }
}
