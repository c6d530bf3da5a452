package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.dispatch.SchedulerFault.Kind;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.trace.ring.Fall;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A scheduler that fell is started again: what was before it is still there. */
class ComeBackTest {
  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL, new DispatchLimits(5_000_000, 100_000_000L, 1L << 40, 1L << 40));

  /** By any of its instances. */
  private volatile boolean misbehave;

  private final List<Long> broughtNanos = new ArrayList<>();

  private final FifoFactory factory = new FifoFactory("culprit", Moody::new);

  @AfterEach
  void close() {
    dispatcher.close();
  }

  @Test
  void itComesBackToUnitsThatKeptTheirHistoryAndItsFaultsAreStillKnown() {
    Pool pool = dispatcher.createPool("p", 1, factory, Map.of());
    FakeVcpu heavy = FakeVcpu.in(pool, 1, UnitParams.DEFAULT.withWeight(512));
    FakeVcpu light = FakeVcpu.in(pool, 2, UnitParams.DEFAULT);
    for (FakeVcpu vcpu : List.of(heavy, light)) {
      vcpu.give(FakeVcpu.ENDLESS);
    }
    for (int fall = 1; fall <= 3; fall++) {
      SwapTest.goOn(List.of(heavy, light));
      misbehave = true;
      int falls = fall;
      Await.until("fall " + fall, () -> dispatcher.faults().size() == falls);
      misbehave = false;
      SwapTest.goOn(List.of(heavy, light));
      long ran = heavy.unit.cpuTimeNanos();
      broughtNanos.clear();
      assertTrue(pool.swap(factory, Map.of()).swapped());
      assertEquals("culprit", pool.scheduler().name());
      assertTrue(
          broughtNanos.stream().anyMatch(nanos -> nanos >= ran),
          () -> "inserted with what they had run: " + broughtNanos);
      assertEquals(512, heavy.unit.params().weight());
    }
    SwapTest.goOn(List.of(heavy, light));
    assertEquals(
        List.of("culprit", "culprit", "culprit"),
        dispatcher.faults().stream().map(SchedulerFault::scheduler).toList());
    assertTrue(dispatcher.faults().stream().allMatch(f -> f.kind() == Kind.ILLEGAL_PICK));
  }

  @Test
  void whatWentBeforeAFaultIsToldWithoutAnyTracing() {
    Pool pool = dispatcher.createPool("p", 1, factory, Map.of());
    FakeVcpu vcpu = FakeVcpu.in(pool, 7, UnitParams.DEFAULT);
    vcpu.give(FakeVcpu.ENDLESS);
    SwapTest.goOn(List.of(vcpu));
    misbehave = true;
    Await.until("a fault", () -> !dispatcher.faults().isEmpty());
    List<Fall> falls = dispatcher.tracer().falls();
    assertEquals(1, falls.size());
    assertEquals("culprit", falls.getFirst().scheduler());
    List<String> decisions =
        falls.getFirst().lastDecisions().values().stream().flatMap(List::stream).toList();
    String last = decisions.getLast();
    assertTrue(last.startsWith("d7v0 came off after ") && last.endsWith(": EXPIRED"), last);
    assertTrue(
        Stream.of("picked d7v0 for 1000 us", "d7v0 was woken", "picked nobody")
            .anyMatch(decisions.get(decisions.size() - 2)::equals),
        decisions::toString);
  }

  /** A FIFO that decides nothing when it is asked to misbehave. */
  private final class Moody extends FifoFactory.Fifo {
    Moody(SchedPool pool) {
      super(pool);
    }

    @Override
    public void insert(SchedUnit unit, long nowNanos) {
      broughtNanos.add(unit.runNanos());
      super.insert(unit, nowNanos);
    }

    @Override
    public void pick(int pcpu, long nowNanos, Decision decision) {
      if (!misbehave) {
        super.pick(pcpu, nowNanos, decision);
      }
    }
  }
}
