package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A scheduler is replaced in place, or nothing happens at all. */
class SwapTest {
  private static final SchedulerFactory A = new FifoFactory("a");
  private static final SchedulerFactory B = new FifoFactory("b");

  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL,
          new DispatchLimits(5_000_000, 400_000_000L, 60_000_000_000L, 20_000_000_000L));

  private final Hang hang = new Hang();

  @AfterEach
  void close() {
    hang.end();
    dispatcher.close();
  }

  private Pool pool(int pcpus) {
    return dispatcher.createPool("p", pcpus, A, Map.of());
  }

  @Test
  void aPoolThatIdlesIsSwappedAtOnce() {
    Pool pool = pool(2);
    FakeVcpu vcpu = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    vcpu.give(1);
    Await.until("it has run", () -> vcpu.worked.get() == 1);
    SwapReport report = pool.swap(B, Map.of());
    assertTrue(report.swapped());
    assertEquals("a", report.from());
    assertEquals("b", report.to());
    assertEquals(1, report.units());
    assertEquals("b", pool.scheduler().name());
    vcpu.give(1);
    Await.until("it runs under the new one", () -> vcpu.worked.get() == 2);
  }

  @Test
  void thousandsOfSwapsUnderLoadLoseNoWakeUpAndRunNobodyTwice() {
    Pool pool = pool(2);
    List<FakeVcpu> busy = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      FakeVcpu vcpu = FakeVcpu.in(pool, i, UnitParams.DEFAULT);
      vcpu.give(FakeVcpu.ENDLESS);
      busy.add(vcpu);
    }
    AtomicLong passed = new AtomicLong();
    FakeVcpu[] ring = new FakeVcpu[16];
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
    for (int i = 0; i < 4; i++) {
      ring[i * 4].give(1);
    }
    for (int i = 0; i < 3_000; i++) {
      SwapReport report = pool.swap(i % 2 == 0 ? B : A, Map.of());
      assertTrue(report.swapped(), () -> report.refusal().orElse(""));
      assertTrue(report.pauseNanos() <= report.totalNanos());
    }
    long before = passed.get();
    Await.until("the ring still turns", () -> passed.get() > before + 1_000);
    for (FakeVcpu vcpu : busy) {
      long worked = vcpu.worked.get();
      Await.until("all still run", () -> vcpu.worked.get() > worked);
      assertEquals("", vcpu.broken);
    }
    for (FakeVcpu vcpu : ring) {
      assertEquals("", vcpu.broken);
    }
    assertEquals(List.of(), dispatcher.faults());
  }

  @Test
  void standingIsHandedOverAndTheOldOneIsClosed() {
    AtomicInteger closed = new AtomicInteger();
    AtomicLong received = new AtomicLong();
    SchedulerFactory giver =
        new FifoFactory(
            "giver",
            pool ->
                new FifoFactory.Fifo(pool) {
                  @Override
                  public void export(SchedUnit unit, long nowNanos) {
                    assertEquals(0, unit.standingNanos());
                    unit.standingNanos(unit.domid() * 1_000);
                  }

                  @Override
                  public void close() {
                    closed.incrementAndGet();
                  }
                });
    SchedulerFactory taker =
        new FifoFactory(
            "taker",
            pool ->
                new FifoFactory.Fifo(pool) {
                  @Override
                  public void insert(SchedUnit unit, long nowNanos) {
                    super.insert(unit, nowNanos);
                    received.addAndGet(unit.standingNanos() + unit.weight());
                  }
                });
    Pool pool = dispatcher.createPool("q", 1, giver, Map.of());
    FakeVcpu.in(pool, 7, UnitParams.DEFAULT.withWeight(300)).give(FakeVcpu.ENDLESS);
    FakeVcpu.in(pool, 8, UnitParams.DEFAULT.withWeight(11));
    assertTrue(pool.swap(taker, Map.of()).swapped());
    assertEquals(15_000 + 311, received.get());
    assertEquals(1, closed.get());
  }

  @Test
  void aSchedulerThatCannotBeMadeIsRefused() {
    Pool pool = pool(1);
    SwapReport report =
        pool.swap(
            new FifoFactory(
                "broken",
                p -> {
                  throw new IllegalStateException("no table");
                }),
            Map.of());
    assertFalse(report.swapped());
    assertTrue(report.refusal().orElseThrow().contains("no table"));
    assertEquals("a", pool.scheduler().name());
  }

  @Test
  void oneThatThrowsInTakingOverIsRolledBackExactly() {
    Pool pool = pool(2);
    List<FakeVcpu> vcpus = load(pool);
    SwapReport report = pool.swap(failingAtThird("broken", false), Map.of());
    assertFalse(report.swapped());
    assertTrue(
        report.refusal().orElseThrow().contains("the third"), () -> report.refusal().toString());
    assertEquals("a", pool.scheduler().name());
    goOn(vcpus); // and the old one checks that its data slots are as they were
    assertEquals("broken", dispatcher.faults().getFirst().scheduler());
    assertEquals(1, dispatcher.faults().size());
  }

  @Test
  void oneThatHangsInTakingOverIsRolledBackExactly() {
    Pool pool = pool(2);
    List<FakeVcpu> vcpus = load(pool);
    SwapReport report = pool.swap(failingAtThird("hanging", true), Map.of());
    assertFalse(report.swapped());
    assertEquals("a", pool.scheduler().name());
    goOn(vcpus);
    SchedulerFault fault = dispatcher.faults().getFirst();
    assertEquals("hanging", fault.scheduler());
    assertEquals(SchedulerFault.Kind.OVERLONG_CALL, fault.kind());
    assertEquals(1, dispatcher.faults().size());
    assertTrue(pool.swap(B, Map.of()).swapped());
    goOn(vcpus);
  }

  @Test
  void oneThatThrowsInHandingOverIsSwappedAllTheSame() {
    SchedulerFactory bad =
        new FifoFactory(
            "bad",
            pool ->
                new FifoFactory.Fifo(pool) {
                  @Override
                  public void export(SchedUnit unit, long nowNanos) {
                    throw new IllegalStateException("mine!");
                  }
                });
    Pool pool = dispatcher.createPool("q", 2, bad, Map.of());
    List<FakeVcpu> vcpus = load(pool);
    SwapReport report = pool.swap(B, Map.of());
    assertTrue(report.swapped());
    assertEquals("bad", report.from());
    goOn(vcpus);
    assertEquals("bad", dispatcher.faults().getFirst().scheduler());
  }

  @Test
  void aCpuThatDoesNotComeMakesTheSwapFailAndNamesItsUnit() {
    try (Dispatcher impatient =
        new Dispatcher(
            PcpuClock.REAL,
            new DispatchLimits(5_000_000, 20_000_000_000L, 60_000_000_000L, 50_000_000))) {
      Pool pool = impatient.createPool("q", 2, A, Map.of());
      CountDownLatch entered = new CountDownLatch(1);
      CountDownLatch leave = new CountDownLatch(1);
      FakeVcpu deaf =
          new FakeVcpu("d9v0") {
            @Override
            void work() {
              entered.countDown();
              try {
                leave.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            }
          }.addTo(pool, 9, UnitParams.DEFAULT);
      FakeVcpu other = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
      other.give(FakeVcpu.ENDLESS);
      deaf.give(1);
      Await.until("it is deaf", () -> entered.getCount() == 0);
      SwapReport report = pool.swap(B, Map.of());
      assertFalse(report.swapped());
      assertTrue(report.refusal().orElseThrow().contains("d9v0"), report.refusal()::toString);
      goOn(List.of(other));
      leave.countDown();
      Await.until("a swap succeeds", () -> pool.swap(B, Map.of()).swapped());
    }
  }

  @Test
  void aSwapIsNotForCpuThreads() {
    Pool pool = pool(1);
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    FakeVcpu vcpu =
        new FakeVcpu("d1v0") {
          @Override
          void work() {
            thrown.set(assertThrows(IllegalStateException.class, () -> pool.swap(B, Map.of())));
          }
        }.addTo(pool, 1, UnitParams.DEFAULT);
    vcpu.give(1);
    Await.until("it tried", () -> thrown.get() != null);
  }

  private SchedulerFactory failingAtThird(String name, boolean hangs) {
    return new FifoFactory(
        name,
        (SchedPool pool) ->
            new FifoFactory.Fifo(pool) {
              private int inserted;

              @Override
              public void insert(SchedUnit unit, long nowNanos) {
                super.insert(unit, nowNanos);
                if (++inserted == 3) {
                  if (hangs) {
                    hang.here();
                  }
                  throw new IllegalStateException("the third is too much");
                }
              }
            });
  }

  private static List<FakeVcpu> load(Pool pool) {
    List<FakeVcpu> vcpus = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      FakeVcpu vcpu = FakeVcpu.in(pool, i, UnitParams.DEFAULT);
      vcpu.give(i % 3 == 2 ? 1 : FakeVcpu.ENDLESS); // every third sleeps during the swap
      vcpus.add(vcpu);
    }
    goOn(vcpus);
    return vcpus;
  }

  static void goOn(List<FakeVcpu> vcpus) {
    for (FakeVcpu vcpu : vcpus) {
      long worked = vcpu.worked.get();
      vcpu.give(1);
      Await.until(vcpu.label() + " goes on", () -> vcpu.worked.get() > worked);
      assertEquals("", vcpu.broken);
    }
  }
}
