package dev.domus.kernel.sched;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class UnitQueueTest {
  /** Near the wrap, so that an ordinary comparison would be wrong. */
  private static final long ORIGIN = Long.MAX_VALUE - 500;

  private static final class Entry extends UnitQueue.Entry {
    Entry(SchedUnit unit) {
      super(unit);
    }
  }

  /** Inserts behind its equals. */
  private static void insert(List<Entry> model, Entry entry) {
    int at = 0;
    while (at < model.size() && model.get(at).key() - entry.key() <= 0) {
      at++;
    }
    model.add(at, entry);
  }

  private static CpuMask mask(SplittableRandom random, int pcpus) {
    return random.nextInt(3) == 0
        ? CpuMask.ALL
        : CpuMask.of(random.nextInt(pcpus), random.nextInt(pcpus));
  }

  @Test
  void randomHistoriesAnswerAsASortedListDoes() {
    for (int pcpus : new int[] {1, 5, 64, 200}) { // more than 64 fold
      for (long seed = 0; seed < 100; seed++) {
        SplittableRandom random = new SplittableRandom(seed);
        UnitQueue<Entry> queue = new UnitQueue<>();
        List<Entry> model = new ArrayList<>();
        int span = 1 + random.nextInt(1_000); // small ones make ties
        for (int step = 0; step < 300; step++) {
          if (model.isEmpty() || random.nextInt(5) < 3) {
            Entry entry = new Entry(new StubUnit(step, mask(random, pcpus)));
            queue.add(entry, ORIGIN + random.nextInt(span));
            insert(model, entry);
          } else {
            Entry entry = model.remove(random.nextInt(model.size()));
            queue.remove(entry);
            assertFalse(entry.isQueued());
          }
          assertEquals(model.size(), queue.size());
          assertSame(model.isEmpty() ? null : model.getFirst(), queue.first());
          assertSame(model.isEmpty() ? null : model.getLast(), queue.last());
          for (int i = 0; i < model.size(); i++) {
            Entry behind = i + 1 < model.size() ? model.get(i + 1) : null;
            assertSame(behind, queue.next(model.get(i)));
          }
          int pcpu = random.nextInt(pcpus);
          assertSame(
              model.stream()
                  .filter(entry -> entry.unit.affinity().contains(pcpu))
                  .findFirst()
                  .orElse(null),
              queue.firstFor(pcpu));
          RunQueue taker = new Taker(pcpu);
          assertSame(
              model.reversed().stream()
                  .filter(entry -> taker.allows(entry.unit))
                  .findFirst()
                  .orElse(null),
              queue.lastAllowed(taker, Integer.MAX_VALUE));
        }
      }
    }
  }

  @Test
  void anEntryIsInOneQueueAtATime() {
    UnitQueue<Entry> one = new UnitQueue<>();
    UnitQueue<Entry> other = new UnitQueue<>();
    Entry entry = new Entry(new StubUnit(1, CpuMask.ALL));
    one.add(entry, 1);
    assertThrows(IllegalStateException.class, () -> other.add(entry, 1));
    assertThrows(IllegalStateException.class, () -> other.remove(entry));
    one.remove(entry);
    other.add(entry, 2);
    assertSame(entry, other.first());
  }

  @Test
  void theBestCpuIsTheLastThenThePreferredThenTheAllowed() {
    CpuSet idle = new CpuSet(130);
    StubUnit unit = new StubUnit(1, CpuMask.of(3, 70, 100, 129));
    assertEquals(-1, idle.bestFor(unit));
    idle.add(5);
    idle.add(100);
    idle.add(70);
    assertEquals(70, idle.bestFor(unit));
    unit.soft = CpuMask.of(5, 100);
    assertEquals(100, idle.bestFor(unit));
    unit.last = 70;
    assertEquals(100, idle.bestFor(unit));
    idle.remove(100);
    assertEquals(70, idle.bestFor(unit));
    assertEquals(5, idle.next(0));
    assertEquals(70, idle.next(6));
    assertEquals(-1, idle.next(71));
    assertEquals(-1, idle.next(130));
  }

  private record Taker(int pcpu) implements RunQueue {
    @Override
    public int pcpus() {
      return 1;
    }

    @Override
    public long load() {
      return 0;
    }

    @Override
    public boolean idles() {
      return true;
    }

    @Override
    public boolean allows(SchedUnit unit) {
      return unit.affinity().contains(pcpu);
    }
  }
}
