package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.UnitSettings;
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
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A device that writes everywhere all the time, while its domain turns pages into tables and
 * descriptor pages and back, exchanges them and gives them up, and others live in what it gave up.
 *
 * <p>What it writes no table that was found good can contain: a present entry that names a frame
 * that does not exist; nor a descriptor page, for which it is a trap gate. So wherever that stands
 * in a table in use, or in anybody else's memory, the device has put it there.
 */
@Timeout(120)
class DeviceStressTest {
  private static final int PAGES = 24;
  private static final int STEPS = 40_000;
  private static final long MARK = 0x000F_EFFF_FFFF_F000L | Pte.P | Pte.U | Pte.A;

  private final TestMachine m = new TestMachine();
  private final IommuUnit unit =
      new IommuUnit(m.memory(), m.frames, m.allocator, m.codeFrames, UnitSettings.usual());
  private final TestDomain d = m.domain(1, 64);
  private final TestDevice device = new TestDevice(unit, 1);
  private final AtomicLongArray pages = new AtomicLongArray(PAGES);
  private final AtomicBoolean over = new AtomicBoolean();
  private final AtomicLong written = new AtomicLong(), refused = new AtomicLong();
  private final AtomicInteger tables = new AtomicInteger(), exchanged = new AtomicInteger();
  private final AtomicInteger givenUp = new AtomicInteger(), looked = new AtomicInteger();

  private Void writeEverywhere() {
    Random random = new Random(11);
    while (!over.get()) {
      boolean done =
          device.writes(1 + random.nextInt(TestMachine.FRAMES - 1), random.nextInt(512), MARK);
      (done ? written : refused).incrementAndGet();
    }
    return null;
  }

  private Void change(int vcpu) {
    Random random = new Random(vcpu);
    TestVcpu v = d.vcpus[vcpu];
    for (int step = 0; step < STEPS; step++) {
      int slot = random.nextInt(PAGES);
      long a = pages.get(slot);
      long b = pages.get(random.nextInt(PAGES));
      switch (random.nextInt(8)) {
        case 0, 1 -> {
          d.mmu.entries().clearPage(a);
          tables.addAndGet(d.pin(v, 1 + random.nextInt(4), a) == 0 ? 1 : 0);
        }
        case 2, 3 -> d.unpin(v, a);
        case 4 ->
            d.updateAt(v, (a << 12) + 8L * random.nextInt(4), Pte.of(b, leaf(random)), 1, false);
        case 5 -> {
          d.mmu.entries().clearPage(a);
          d.mmu.setGdt(v, new long[] {a}, random.nextInt(513));
        }
        case 6 -> exchange(slot, a);
        default -> giveUp(slot, a);
      }
    }
    return null;
  }

  private static long leaf(Random random) {
    return random.nextBoolean() ? TestMachine.LEAF | Pte.W : TestMachine.LEAF;
  }

  private void exchange(int slot, long mfn) {
    long[] fresh = new long[1];
    if (d.mmu.exchange(new long[] {mfn}, 0, fresh) == 0) {
      pages.set(slot, fresh[0]);
      exchanged.incrementAndGet();
    }
  }

  private void giveUp(int slot, long mfn) {
    if (d.mmu.giveBackUnused(mfn)) {
      pages.set(slot, d.mmu.allocate(0));
      givenUp.incrementAndGet();
    }
  }

  /** Looks at all tables and descriptor pages of the domain while nobody changes them. */
  private Void watchTables() {
    while (!over.get()) {
      for (long mfn = 1; mfn < TestMachine.FRAMES; mfn++) {
        d.mmu.lock();
        try {
          int type = m.frames.type(mfn);
          if (m.frames.owner(mfn) == 1
              && type >= FrameTable.L1
              && type <= FrameTable.SEGDESC
              && m.frames.isInUseAs(mfn, type)) {
            assertUntouched(mfn);
            looked.incrementAndGet();
          }
        } finally {
          d.mmu.unlock();
        }
      }
    }
    return null;
  }

  /** Domains that get what the first has given up, and never had a device. */
  private Void liveAndDie() {
    while (!over.get()) {
      TestDomain mayfly = new TestDomain(m, 3, 200);
      assertEquals(0, mayfly.mmu.populate(0, 150));
      for (int round = 0; round < 3; round++) {
        for (long pfn = 0; pfn < 150; pfn++) {
          assertUntouched(mayfly.mmu.p2m().mfn(pfn));
        }
      }
      mayfly.mmu.relinquish(mayfly.vcpus);
      assertEquals(0, mayfly.mmu.pages());
    }
    return null;
  }

  private void assertUntouched(long mfn) {
    for (int i = 0; i < 512; i++) {
      if (m.entry(mfn, i) == MARK) {
        throw new AssertionError("a device wrote to " + m.frames.describe(mfn) + " word " + i);
      }
    }
  }

  @Test
  void noTableAndNoFrameOfAnotherIsEverWritten() throws Exception {
    assertEquals(SegmentDescriptors.REFUSED, SegmentDescriptors.fixed(MARK));
    for (int i = 0; i < PAGES; i++) {
      pages.set(i, d.page());
    }
    assertEquals(0, d.mmu.startDevices(device));
    List<Future<Void>> changers = new ArrayList<>();
    List<Future<Void>> others = new ArrayList<>();
    try (ExecutorService threads = Executors.newCachedThreadPool()) {
      List<Callable<Void>> loops =
          List.of(this::writeEverywhere, this::watchTables, this::liveAndDie);
      loops.forEach(loop -> others.add(threads.submit(loop)));
      for (int vcpu = 0; vcpu < 2; vcpu++) {
        int id = vcpu;
        changers.add(threads.submit(() -> change(id)));
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
    String seen =
        "written=%s refused=%s tables=%s exchanged=%s givenUp=%s looked=%s"
            .formatted(written, refused, tables, exchanged, givenUp, looked);
    assertTrue(
        written.get() > 1000
            && refused.get() > 1000
            && tables.get() > 100
            && exchanged.get() > 100
            && givenUp.get() > 100
            && looked.get() > 100,
        seen);
    for (long mfn = 1; mfn < TestMachine.FRAMES; mfn++) {
      assertEquals(
          DeviceReference.isReached(m.frames, 1, mfn), device.reads(mfn), m.frames.describe(mfn));
    }
    d.mmu.stopDevices();
    device.close();
    d.mmu.relinquish(d.vcpus);
    assertEquals(0, d.mmu.pages());
    new InvariantScanner(m).scan();
    unit.close();
    m.close();
  }
}
