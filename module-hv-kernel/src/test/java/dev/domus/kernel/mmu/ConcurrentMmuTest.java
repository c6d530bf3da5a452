package dev.domus.kernel.mmu;

import static dev.domus.kernel.mmu.TestMachine.LEAF;
import static dev.domus.kernel.mmu.TestMachine.TABLE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Several threads at once: two vCPUs of a domain that change its tables, preempted at times in the
 * middle of a call, a processor that walks them all the time, a backend that holds, maps and lets
 * go of its frames, and another domain that lives and dies.
 */
@Timeout(120)
class ConcurrentMmuTest {
  private static final int PAGES = 24;
  private static final int STEPS = 30_000;

  private final TestMachine m = new TestMachine();
  private final TestDomain d = m.domain(1, 64);
  private final TestDomain backend = m.domain(2, 64);
  private final long[] pages = new long[PAGES];
  private final AtomicBoolean over = new AtomicBoolean();

  /**
   * One way through the domain's pages: roles are fixed, so that the same pages change between uses
   * all the time.
   */
  private Void changeTables(int vcpu) {
    Random random = new Random(vcpu);
    TestVcpu v = d.vcpus[vcpu];
    Random preemption = new Random(10 + vcpu);
    v.preempt = () -> preemption.nextInt(3) == 0;
    for (int step = 0; step < STEPS; step++) {
      long a = pages[random.nextInt(PAGES)];
      long b = pages[random.nextInt(PAGES)];
      int level = 1 + random.nextInt(4);
      int index = random.nextInt(4);
      switch (random.nextInt(8)) {
        case 0 -> d.pin(v, level, a);
        case 1 -> d.unpin(v, a);
        case 2 -> d.newBasePointer(v, a);
        case 3 -> d.mmu.entries().clearPage(a);
        case 4 -> d.updateMapping(v, va(random), Pte.of(a, leaf(random)), 1);
        case 5 -> {
          if (random.nextInt(8) == 0) {
            d.mmu.setGdt(v, new long[] {a}, random.nextInt(513));
          }
        }
        default -> {
          int type = m.frames.type(a);
          long flags = type >= FrameTable.L2 && type <= FrameTable.L4 ? TABLE : leaf(random);
          d.updateAt(
              v, (a << 12) + 8L * index, random.nextInt(6) == 0 ? 0 : Pte.of(b, flags), 1, false);
        }
      }
    }
    return null;
  }

  private static long leaf(Random random) {
    return random.nextBoolean() ? LEAF | Pte.W : LEAF;
  }

  private static long va(Random random) {
    long va = 0;
    for (int level = 4; level >= 1; level--) {
      va |= (long) random.nextInt(4) << 12 + 9 * (level - 1);
    }
    return va;
  }

  private Void walk(TestVcpu v) {
    Random random = new Random(7);
    while (!over.get()) {
      for (int i = 0; i < 20; i++) {
        v.observe(va(random));
      }
      String complaint = v.complaint();
      assertEquals(null, complaint);
    }
    return null;
  }

  private Void holdAndMap() {
    Random random = new Random(3);
    long va = 0x3000;
    assertEquals(0, backend.newBasePointer(backend.vcpus[0], backend.tree(va, 0)));
    TestVcpu v = backend.vcpus[0];
    int mapped = 0;
    while (!over.get()) {
      long mfn = pages[random.nextInt(PAGES)];
      boolean writable = random.nextBoolean();
      if (!(writable ? m.machine.getWritable(1, mfn) : m.machine.get(1, mfn))) {
        continue;
      }
      long entry = Pte.of(mfn, Pte.P | Pte.U | (writable ? Pte.W : 0));
      assertEquals(0, backend.mmu.entries().installGrant(v, va, entry, false));
      v.observe(va);
      assertEquals(null, v.complaint());
      if (random.nextInt(4) == 0) {
        assertEquals(0, backend.updateMapping(v, va, 0, 2)); // overwritten by ordinary means
      } else {
        assertEquals(0, backend.mmu.entries().removeGrant(v, va, mfn, writable, false));
        backend.mmu.entries().flush();
        if (writable) {
          m.machine.putWritable(mfn);
        } else {
          m.machine.put(mfn);
        }
      }
      mapped++;
    }
    assertTrue(mapped > 0);
    return null;
  }

  private Void liveAndDie() {
    while (!over.get()) {
      TestDomain mayfly = new TestDomain(m, 3, 40);
      assertEquals(0, mayfly.mmu.populate(0, 20));
      long l4 = mayfly.tree(0x5000, Pte.of(mayfly.page(), LEAF | Pte.W));
      assertEquals(0, mayfly.pin(4, l4));
      assertEquals(0, mayfly.newBasePointer(mayfly.vcpus[0], l4));
      mayfly.mmu.allocateSpecial();
      mayfly.mmu.relinquish(mayfly.vcpus);
      assertEquals(0, mayfly.mmu.pages());
    }
    return null;
  }

  @Test
  void nothingIsEverWritableAndATableNorFreedUnderAWalk() throws Exception {
    for (int i = 0; i < PAGES; i++) {
      pages[i] = d.page();
    }
    List<Future<Void>> changers = new ArrayList<>();
    List<Future<Void>> others = new ArrayList<>();
    try (ExecutorService threads = Executors.newCachedThreadPool()) {
      List<Callable<Void>> loops =
          List.of(
              () -> walk(d.vcpus[0]), () -> walk(d.vcpus[1]), this::holdAndMap, this::liveAndDie);
      loops.forEach(loop -> others.add(threads.submit(loop)));
      for (int vcpu = 0; vcpu < 2; vcpu++) {
        int id = vcpu;
        changers.add(threads.submit(() -> changeTables(id)));
      }
      try {
        for (Future<Void> changer : changers) {
          changer.get();
        }
      } finally {
        over.set(true);
      }
      for (Future<Void> other : others) {
        other.get();
      }
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause());
    }
    new InvariantScanner(m).scan();
    backend.mmu.relinquish(backend.vcpus);
    d.mmu.relinquish(d.vcpus);
    assertEquals(0, d.mmu.pages());
    new InvariantScanner(m).scan();
    m.close();
  }
}
