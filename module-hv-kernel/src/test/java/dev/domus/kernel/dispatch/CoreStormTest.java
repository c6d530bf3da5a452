package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Two domains are never on one core at the same time, whatever happens around them. */
class CoreStormTest {
  private static final SchedulerFactory A = new FifoFactory("a");
  private static final SchedulerFactory B = new FifoFactory("b");

  private final Hang hang = new Hang();
  private final CoreWatch watch = new CoreWatch(2);
  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL,
          new DispatchLimits(5_000_000, 100_000_000L, 60_000_000_000L, 20_000_000_000L));

  @AfterEach
  void close() {
    hang.end();
    dispatcher.close();
    assertEquals("", watch.broken());
  }

  /** Domains whose vCPUs hand tokens to one another, and domains that always run. */
  private final class Load {
    final List<FakeVcpu> busy = new ArrayList<>();
    final List<FakeVcpu> ring = new ArrayList<>();
    final AtomicLong passed = new AtomicLong();

    Load(Pool pool) {
      for (int domid = 1; domid <= 3; domid++) {
        for (int vcpu = 0; vcpu < domid + 1; vcpu++) { // two, three and four: one has a gap
          FakeVcpu each = watch.vcpu(pool, domid, vcpu);
          each.give(FakeVcpu.ENDLESS);
          busy.add(each);
        }
      }
      int size = 12;
      for (int i = 0; i < size; i++) {
        int next = (i + 5) % size; // mostly of another domain
        int domid = 100 + i / 3;
        FakeVcpu each =
            watch.new Seen(domid, i % 3) {
              @Override
              void work() {
                passed.incrementAndGet();
                ring.get(next).give(1);
              }
            };
        ring.add(each);
        each.addTo(pool, domid, i % 3, UnitParams.DEFAULT);
      }
      for (int i = 0; i < size; i++) {
        if (i % 3 == 0) {
          ring.get(i).give(1);
        }
      }
    }

    void goesOn() {
      long before = passed.get();
      Await.until("tokens go round", () -> passed.get() > before + 50);
      long[] worked = busy.stream().mapToLong(vcpu -> vcpu.worked.get()).toArray();
      for (int i = 0; i < worked.length; i++) {
        FakeVcpu vcpu = busy.get(i);
        long one = worked[i];
        Await.until(vcpu.label() + " runs", () -> vcpu.worked.get() > one);
        assertEquals("", vcpu.broken);
      }
      ring.forEach(vcpu -> assertEquals("", vcpu.broken));
      assertEquals("", watch.broken());
    }

    List<FakeVcpu> all() {
      List<FakeVcpu> all = new ArrayList<>(busy);
      all.addAll(ring);
      return all;
    }
  }

  private Pool pool(int pcpus) {
    return dispatcher.createPool("p", pcpus, 2, A, Map.of());
  }

  @Test
  void underLoadAllGetTurnsAndDomainsAreApart() {
    Load load = new Load(pool(4));
    for (int i = 0; i < 20; i++) {
      load.goesOn();
    }
    assertTrue(watch.together() > 0, "vCPUs of one domain do run together");
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void atSwaps() {
    Pool pool = pool(4);
    Load load = new Load(pool);
    for (int i = 0; i < 500; i++) {
      SwapReport report = pool.swap(i % 2 == 0 ? B : A, Map.of());
      assertTrue(report.swapped(), () -> report.refusal().orElse(""));
    }
    load.goesOn();
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void asVcpusArePausedResumedAdjustedAndRemoved() {
    Pool pool = pool(4);
    Load load = new Load(pool);
    SplittableRandom random = new SplittableRandom(3);
    List<FakeVcpu> all = load.all();
    for (int i = 0; i < 1_000; i++) {
      FakeVcpu one = all.get(random.nextInt(all.size()));
      switch (random.nextInt(4)) {
        case 0 -> {
          one.unit.pauseAndWait();
          assertTrue(!one.inside.get(), "it is out");
          one.unit.resume();
        }
        case 1 -> {
          one.unit.pause();
          one.unit.resume();
        }
        case 2 -> one.unit.params(UnitParams.DEFAULT.withWeight(random.nextInt(1, 1_000)));
        default -> {
          int domid = 1_000 + i % 7; // sometimes before the former one of that id is gone
          FakeVcpu first = watch.vcpu(pool, domid, 0);
          FakeVcpu second = watch.vcpu(pool, domid, 1);
          first.give(FakeVcpu.ENDLESS);
          second.give(FakeVcpu.ENDLESS);
          if (random.nextBoolean()) {
            Await.until("it runs", () -> second.worked.get() > 0);
          }
          pool.remove(first.unit);
          assertTrue(!first.inside.get(), "it is out for ever");
          pool.remove(second.unit);
          assertTrue(!second.inside.get(), "it is out for ever");
        }
      }
    }
    load.goesOn();
    assertEquals(List.of(), dispatcher.faults());
    Await.until(
        "those who left are forgotten",
        () -> pool.snapshot().stream().mapToInt(DispatchUnit::vcpus).sum() == all.size());
  }

  @Test
  void asCoresComeAndGo() {
    Pool pool = pool(4);
    Load load = new Load(pool);
    for (int i = 0; i < 15; i++) {
      assertTrue(dispatcher.removePcpu(pool, i % 2 == 0 ? 2 : 1).swapped());
      assertEquals(2, pool.pcpus());
      load.goesOn();
      int free = dispatcher.freePcpus()[1];
      assertTrue(dispatcher.addPcpu(pool, free).swapped());
      assertEquals(4, pool.pcpus());
      load.goesOn();
    }
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void asDomainsMoveBetweenPoolsOfDifferentGranularity() {
    Pool cores = pool(4);
    Pool single = dispatcher.createPool("single", 2, A, Map.of());
    Pool wide = dispatcher.createPool("wide", 4, 4, A, Map.of());
    List<List<FakeVcpu>> domains = new ArrayList<>();
    for (int domid = 1; domid <= 4; domid++) {
      List<FakeVcpu> domain = new ArrayList<>();
      for (int vcpu = 0; vcpu < 3; vcpu++) {
        FakeVcpu each =
            new FakeVcpu("d%dv%d".formatted(domid, vcpu))
                .addTo(cores, domid, vcpu, UnitParams.DEFAULT);
        each.give(FakeVcpu.ENDLESS);
        domain.add(each);
      }
      domains.add(domain);
    }
    SplittableRandom random = new SplittableRandom(11);
    for (int i = 0; i < 150; i++) {
      List<FakeVcpu> domain = domains.get(random.nextInt(domains.size()));
      Pool target = List.of(cores, single, wide).get(random.nextInt(3));
      dispatcher.move(domain.stream().map(vcpu -> vcpu.unit).toList(), target);
      for (FakeVcpu vcpu : domain) {
        assertEquals(target, vcpu.unit.pool());
        long worked = vcpu.worked.get();
        Await.until(vcpu.label() + " goes on", () -> vcpu.worked.get() > worked);
        assertEquals("", vcpu.broken);
      }
    }
    assertEquals(List.of(), dispatcher.faults());
    dispatcher.move(domains.stream().flatMap(List::stream).map(vcpu -> vcpu.unit).toList(), single);
    Await.until("all are there", () -> single.snapshot().size() == 12);
    assertEquals(0, cores.snapshot().size());
    dispatcher.destroyPool(wide);
  }

  @Test
  void asSchedulersThrowAndHangInAnyOfTheirVerbs() {
    dispatcher.createPool("spare", new int[] {100}, A, Map.of()); // the last is never destroyed
    for (boolean hangs : new boolean[] {false, true}) {
      for (int at = 30; at < 37; at++) {
        AtomicInteger left = new AtomicInteger(at);
        Runnable misdeed =
            () -> {
              if (left.decrementAndGet() == 0) {
                if (hangs) {
                  hang.here();
                }
                throw new IllegalStateException("bad day");
              }
            };
        SchedulerFactory bad = new FifoFactory("bad", pool -> new Misbehaving(pool, misdeed));
        Pool pool = dispatcher.createPool("p", 4, 2, bad, Map.of());
        Load load = new Load(pool);
        Await.until("it fell", () -> pool.scheduler() == LastResort.FACTORY);
        load.goesOn();
        load.all().forEach(vcpu -> pool.remove(vcpu.unit));
        Await.until("all are forgotten", () -> pool.snapshot().isEmpty());
        dispatcher.destroyPool(pool);
      }
    }
    assertEquals(14, dispatcher.faults().size(), dispatcher.faults()::toString);
  }

  /** Does something bad in one of its calls. */
  private static final class Misbehaving extends FifoFactory.Fifo {
    private final Runnable misdeed;

    Misbehaving(SchedPool pool, Runnable misdeed) {
      super(pool);
      this.misdeed = misdeed;
    }

    @Override
    public void pick(int pcpu, long nowNanos, Decision decision) {
      misdeed.run();
      super.pick(pcpu, nowNanos, decision);
    }

    @Override
    public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
      misdeed.run();
      super.put(unit, pcpu, reason, ranNanos, nowNanos);
    }

    @Override
    public void wake(SchedUnit unit, long nowNanos) {
      misdeed.run();
      super.wake(unit, nowNanos);
    }
  }
}
