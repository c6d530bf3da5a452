package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.RunQueue;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Pools that change while guests run: pCPUs, names, run queues, and who is in them. */
class PoolChangesTest {
  private static final SchedulerFactory ONE_QUEUE = new FifoFactory("one");

  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL,
          new DispatchLimits(5_000_000, 400_000_000L, 60_000_000_000L, 20_000_000_000L));

  @AfterEach
  void close() {
    dispatcher.close();
  }

  /** A FIFO queue a pCPU, which gives its first unit to whoever asks. */
  private static final class QueueAPcpu extends FifoFactory {
    QueueAPcpu() {
      super("many", Giving::new);
    }

    @Override
    public int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
      return pcpu;
    }
  }

  private static class Giving extends FifoFactory.Fifo {
    Giving(SchedPool pool) {
      super(pool);
    }

    @Override
    public long load(long nowNanos) {
      return queue.size();
    }

    @Override
    public Optional<SchedUnit> offer(RunQueue taker, long nowNanos) {
      return queue.stream().filter(taker::allows).findFirst();
    }
  }

  /** Units that hand tokens on, and units that always run. */
  private static final class Load {
    final List<FakeVcpu> busy = new ArrayList<>();
    final FakeVcpu[] ring = new FakeVcpu[12];
    final AtomicLong passed = new AtomicLong();

    Load(Pool pool, int endless) {
      for (int i = 0; i < endless; i++) {
        FakeVcpu vcpu = FakeVcpu.in(pool, i, UnitParams.DEFAULT);
        vcpu.give(FakeVcpu.ENDLESS);
        busy.add(vcpu);
      }
      for (int i = 0; i < ring.length; i++) {
        int next = (i + 1) % ring.length;
        ring[i] =
            new FakeVcpu("d" + (100 + i) + "v0") {
              @Override
              void work() {
                passed.incrementAndGet();
                ring[next].give(1);
              }
            }.addTo(pool, 100 + i, UnitParams.DEFAULT);
      }
      ring[0].give(1);
      ring[5].give(1);
    }

    void goesOn() {
      long passedBefore = passed.get();
      long[] before = busy.stream().mapToLong(vcpu -> vcpu.worked.get()).toArray();
      Await.until("tokens go round", () -> passed.get() > passedBefore + ring.length);
      for (int i = 0; i < before.length; i++) {
        int at = i;
        Await.until("all run", () -> busy.get(at).worked.get() > before[at]);
      }
      busy.forEach(vcpu -> assertEquals("", vcpu.broken));
      for (FakeVcpu vcpu : ring) {
        assertEquals("", vcpu.broken);
      }
    }

    List<DispatchUnit> units() {
      List<DispatchUnit> units = new ArrayList<>();
      busy.forEach(vcpu -> units.add(vcpu.unit));
      for (FakeVcpu vcpu : ring) {
        units.add(vcpu.unit);
      }
      return units;
    }
  }

  @Test
  void aPoolGrowsAndShrinksUnderLoad() {
    Pool first = dispatcher.createPool("first", 2, ONE_QUEUE, Map.of());
    Pool second = dispatcher.createPool("second", 2, ONE_QUEUE, Map.of());
    Load load = new Load(first, 4);
    for (int i = 0; i < 20; i++) {
      assertTrue(dispatcher.removePcpu(second, 3).swapped());
      assertArrayEquals(new int[] {3}, dispatcher.freePcpus());
      assertTrue(dispatcher.addPcpu(first, 3).swapped());
      assertArrayEquals(new int[] {0, 1, 3}, first.numbers());
      load.goesOn();
      assertTrue(dispatcher.removePcpu(first, 3).swapped());
      assertTrue(dispatcher.addPcpu(second, 3).swapped());
      load.goesOn();
    }
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void affinityGoesByTheMachinesNumbers() {
    dispatcher.createPool("other", 2, ONE_QUEUE, Map.of());
    Pool pool = dispatcher.createPool("p", 2, LastResort.FACTORY, Map.of());
    assertArrayEquals(new int[] {2, 3}, pool.numbers());
    assertThrows(
        IllegalArgumentException.class,
        () -> FakeVcpu.in(pool, 1, UnitParams.DEFAULT.withAffinity(CpuMask.of(1))));
    AtomicReference<String> seen = new AtomicReference<>("");
    FakeVcpu vcpu =
        new FakeVcpu("d1v0") {
          @Override
          void work() {
            seen.set(Thread.currentThread().getName());
          }
        }.addTo(pool, 1, UnitParams.DEFAULT.withAffinity(CpuMask.of(3)));
    vcpu.give(FakeVcpu.ENDLESS);
    Await.until("it runs where it may", () -> seen.get().equals("pcpu-3"));
    dispatcher.removePcpu(pool, 3);
    Await.until("it runs where it can", () -> seen.get().equals("pcpu-2"));
    dispatcher.addPcpu(pool, 3);
    Await.until("it is back where it may", () -> seen.get().equals("pcpu-3"));
  }

  @Test
  void unitsMoveBetweenPoolsUnderLoad() {
    Pool first = dispatcher.createPool("first", 1, ONE_QUEUE, Map.of());
    Pool second = dispatcher.createPool("second", 2, new QueueAPcpu(), Map.of());
    Load load = new Load(first, 3);
    for (int i = 0; i < 30; i++) {
      Pool target = i % 2 == 0 ? second : first;
      dispatcher.move(load.units(), target);
      load.units().forEach(unit -> assertEquals(target, unit.pool()));
      load.goesOn();
    }
    assertEquals(0, second.snapshot().size());
    dispatcher.destroyPool(second);
    assertArrayEquals(new int[] {1, 2}, dispatcher.freePcpus());
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void whatCannotBeDoneIsRefusedByName() {
    Pool first = dispatcher.createPool("first", 1, ONE_QUEUE, Map.of());
    Pool second = dispatcher.createPool("second", 2, ONE_QUEUE, Map.of());
    FakeVcpu.in(first, 7, UnitParams.DEFAULT).give(1);
    Await.until("the scheduler knows it", () -> first.snapshot().size() == 1);
    expectRefusal(
        "pool first has 1 vCPUs; move their domains first", () -> dispatcher.destroyPool(first));
    expectRefusal(
        "pCPU 0 is the last of pool first; destroy the pool instead",
        () -> dispatcher.removePcpu(first, 0));
    expectRefusal("pCPU 0 is not in pool second", () -> dispatcher.removePcpu(second, 0));
    expectRefusal("pCPU 0 is in pool first", () -> dispatcher.addPcpu(second, 0));
    expectRefusal(
        "no such pCPU: pcpu=9, the machine has 0 to 2", () -> dispatcher.addPcpu(second, 9));
    expectRefusal(
        "there is a pool of that name: pool=first", () -> dispatcher.renamePool(second, "first"));
    dispatcher.renamePool(second, "third");
    assertEquals(Optional.of(second), dispatcher.pool("third"));
    dispatcher.destroyPool(second);
    expectRefusal(
        "pool first is the only one",
        () -> {
          Pool empty = dispatcher.createPool("empty", new int[] {2}, ONE_QUEUE, Map.of());
          dispatcher.destroyPool(empty);
          dispatcher.move(first.snapshot(), first);
          first.snapshot().forEach(first::remove);
          Await.until("it is gone", () -> first.snapshot().isEmpty());
          dispatcher.destroyPool(first);
        });
  }

  private static void expectDone(SwapReport report) {
    assertEquals(Optional.empty(), report.refusal());
  }

  private static void expectRefusal(String message, Runnable action) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, action::run).getMessage());
  }

  @Test
  void anIdlePcpuFetchesWhatWaitsInAnothersQueue() {
    Pool pool = dispatcher.createPool("p", 3, new QueueAPcpu(), Map.of());
    FakeVcpu[] vcpus = new FakeVcpu[3];
    for (int i = 0; i < vcpus.length; i++) {
      // All begin in the first queue, and then each may run anywhere.
      vcpus[i] = FakeVcpu.in(pool, i, UnitParams.DEFAULT.withAffinity(CpuMask.of(0)));
      vcpus[i].give(FakeVcpu.ENDLESS);
    }
    for (FakeVcpu vcpu : vcpus) {
      vcpu.unit.params(UnitParams.DEFAULT);
    }
    Await.until(
        "each has a pCPU of its own",
        () -> {
          long pcpus =
              Arrays.stream(vcpus)
                  .filter(vcpu -> vcpu.unit.on != null)
                  .mapToInt(vcpu -> vcpu.unit.lastNumber)
                  .distinct()
                  .count();
          return pcpus == 3;
        });
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void anOfferOfWhatMayNotGoCostsTheSchedulerItsSeat() {
    SchedulerFactory wrong =
        new FifoFactory(
            "wrong",
            pool ->
                new Giving(pool) {
                  @Override
                  public Optional<SchedUnit> offer(RunQueue taker, long nowNanos) {
                    return queue.stream().findFirst();
                  }
                }) {
          @Override
          public int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
            return pcpu;
          }
        };
    Pool pool = dispatcher.createPool("p", 2, wrong, Map.of());
    for (int i = 0; i < 2; i++) {
      FakeVcpu.in(pool, i, UnitParams.DEFAULT.withAffinity(CpuMask.of(0))).give(FakeVcpu.ENDLESS);
    }
    Await.until("it was found out", () -> !dispatcher.faults().isEmpty());
    SchedulerFault fault = dispatcher.faults().getFirst();
    assertEquals(SchedulerFault.Kind.ILLEGAL_PICK, fault.kind());
    assertTrue(fault.detail().startsWith("offered d"), fault.detail());
    assertEquals("last-resort", pool.scheduler().name());
  }

  @Test
  void randomChangesLoseNoWakeUpAndRunNobodyTwice() {
    Pool first = dispatcher.createPool("first", 2, ONE_QUEUE, Map.of());
    Pool second = dispatcher.createPool("second", 2, new QueueAPcpu(), Map.of());
    Load load = new Load(first, 3);
    SplittableRandom random = new SplittableRandom(11);
    SchedulerFactory[] factories = {ONE_QUEUE, new QueueAPcpu(), new FifoFactory("two")};
    for (int i = 0; i < 150; i++) {
      Pool pool = random.nextBoolean() ? first : second;
      Pool other = pool == first ? second : first;
      switch (random.nextInt(4)) {
        case 0 -> expectDone(pool.swap(factories[random.nextInt(3)], Map.of()));
        case 1 -> {
          if (pool.pcpus() > 1) {
            int pcpu = pool.numbers()[random.nextInt(pool.pcpus())];
            expectDone(dispatcher.removePcpu(pool, pcpu));
            expectDone(dispatcher.addPcpu(other, pcpu));
          }
        }
        case 2 -> {
          List<DispatchUnit> some = load.units();
          some.removeIf(unit -> random.nextBoolean());
          dispatcher.move(some, pool);
        }
        default -> {
          DispatchUnit unit = load.units().get(random.nextInt(15));
          int[] numbers = unit.pool().numbers();
          unit.params(
              UnitParams.DEFAULT.withAffinity(CpuMask.of(numbers[random.nextInt(numbers.length)])));
        }
      }
      if (i % 10 == 0) {
        load.goesOn();
      }
    }
    load.goesOn();
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void aSchedulerThatThrowsWhenAPoolIsRebuiltForItIsRolledBack() {
    SchedulerFactory broken =
        new FifoFactory(
            "broken",
            pool ->
                new Giving(pool) {
                  @Override
                  public void insert(SchedUnit unit, long nowNanos) {
                    throw new IllegalStateException("on purpose");
                  }
                }) {
          @Override
          public int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
            return pcpu;
          }
        };
    Pool pool = dispatcher.createPool("p", 2, ONE_QUEUE, Map.of());
    Load load = new Load(pool, 3);
    load.goesOn();
    SwapReport report = pool.swap(broken, Map.of());
    assertTrue(report.refusal().orElse("").contains("on purpose"), report.toString());
    assertEquals("one", pool.scheduler().name());
    load.goesOn();
  }

  /** As {@link QueueAPcpu}, under another name and with other schedulers. */
  private static FifoFactory queueAPcpu(String name, Function<SchedPool, Scheduler> create) {
    return new FifoFactory(name, create) {
      @Override
      public int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
        return pcpu;
      }
    };
  }

  @Test
  void aRefusalForTheSecondRunQueueLeavesTheFirstAsItWas() {
    AtomicInteger made = new AtomicInteger();
    SchedulerFactory choosy =
        queueAPcpu(
            "choosy",
            pool -> {
              if (made.incrementAndGet() == 2) {
                throw new IllegalArgumentException("not this one");
              }
              return new Giving(pool);
            });
    Pool pool = dispatcher.createPool("p", 2, new QueueAPcpu(), Map.of());
    Load load = new Load(pool, 3);
    load.goesOn();
    expectRefusal("not this one", () -> pool.swap(choosy, Map.of()));
    assertEquals("many", pool.scheduler().name());
    for (Seat seat : pool.seats()) {
      assertEquals("many", seat.factory().name());
    }
    load.goesOn();
  }

  @Test
  void aSchedulerThatFailsBeforeItIsMadeIsRefused() {
    SchedulerFactory broken =
        new FifoFactory("broken") {
          @Override
          public Object createShared(SchedParameters values) {
            throw new IllegalStateException("on purpose");
          }
        };
    Pool pool = dispatcher.createPool("p", 2, ONE_QUEUE, Map.of());
    SwapReport report = pool.swap(broken, Map.of());
    assertTrue(report.refusal().orElse("").contains("on purpose"), report.toString());
    assertEquals("one", pool.scheduler().name());
  }

  @Test
  void aLoadThatThrowsCostsTheSchedulerItsSeatAndNobodyRunsTwice() {
    AtomicInteger asked = new AtomicInteger();
    SchedulerFactory broken =
        queueAPcpu(
            "broken",
            pool ->
                new Giving(pool) {
                  @Override
                  public long load(long nowNanos) {
                    if (asked.incrementAndGet() > 20) {
                      throw new IllegalStateException("on purpose");
                    }
                    return super.load(nowNanos);
                  }
                });
    Pool pool = dispatcher.createPool("p", 2, broken, Map.of());
    Load load = new Load(pool, 3);
    Await.until("both seats are lost", () -> dispatcher.faults().size() >= 2);
    assertEquals("last-resort", pool.scheduler().name());
    load.goesOn();
    assertEquals(2, dispatcher.faults().size());
  }

  @Test
  void nobodyWaitsForAUnitThatIsRemovedToArrive() {
    Pool first = dispatcher.createPool("first", 1, ONE_QUEUE, Map.of());
    Pool second = dispatcher.createPool("second", 1, ONE_QUEUE, Map.of());
    FakeVcpu vcpu = FakeVcpu.in(first, 1, UnitParams.DEFAULT);
    vcpu.give(1);
    Await.until("it has worked", () -> vcpu.worked.get() == 1);
    first.remove(vcpu.unit);
    dispatcher.move(List.of(vcpu.unit), second);
    assertEquals(List.of(), second.snapshot());
  }

  @Test
  void aPoolWhoseVcpuDoesNotComeOutKeepsItsPcpus() {
    Dispatcher impatient =
        new Dispatcher(
            PcpuClock.REAL,
            new DispatchLimits(5_000_000, 400_000_000L, 60_000_000_000L, 50_000_000L));
    try (impatient) {
      Pool pool = impatient.createPool("p", 2, ONE_QUEUE, Map.of());
      impatient.createPool("other", 1, ONE_QUEUE, Map.of());
      AtomicBoolean stuck = new AtomicBoolean(true);
      FakeVcpu hanging =
          new FakeVcpu("d9v0") {
            @Override
            void work() {
              while (stuck.get()) {
                Thread.onSpinWait();
              }
            }
          }.addTo(pool, 9, UnitParams.DEFAULT);
      hanging.give(FakeVcpu.ENDLESS);
      Await.until("it hangs", () -> hanging.worked.get() == 1);
      FakeVcpu other = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
      other.give(FakeVcpu.ENDLESS);
      SwapReport report = impatient.removePcpu(pool, 1);
      stuck.set(false);
      assertTrue(report.refusal().orElse("").contains("d9v0"), report.toString());
      assertArrayEquals(new int[] {0, 1}, pool.numbers());
      long worked = other.worked.get();
      long hung = hanging.worked.get();
      Await.until("both run", () -> other.worked.get() > worked && hanging.worked.get() > hung);
    }
  }

  @Test
  void whatRunQueuesShareIsMadeOnceASwap() {
    Object account = new Object();
    AtomicInteger made = new AtomicInteger();
    List<Object> seen = new ArrayList<>();
    SchedulerFactory sharing =
        new FifoFactory(
            "sharing",
            pool -> {
              seen.add(pool.shared());
              return new Giving(pool);
            }) {
          @Override
          public int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
            return pcpu;
          }

          @Override
          public Object createShared(SchedParameters values) {
            made.incrementAndGet();
            return account;
          }
        };
    Pool pool = dispatcher.createPool("p", 3, ONE_QUEUE, Map.of());
    assertTrue(pool.swap(sharing, Map.of()).swapped());
    assertEquals(List.of(account, account, account), seen);
    assertEquals(1, made.get());
    assertTrue(pool.swap(sharing, Map.of()).swapped());
    assertEquals(2, made.get());
  }
}
