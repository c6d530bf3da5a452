package dev.domus.sched.cross;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.dispatch.DispatchLimits;
import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.PcpuClock;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.SwapReport;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * All schedulers in a pool of cores of two pCPUs each: what they take for units are pairs of vCPUs,
 * and none of them ever has two domains on a core at once.
 */
class CoresTest {
  private static final int GRANULARITY = 2;
  private static final int DOMAINS = 24;
  private static final long MS = 1_000_000;

  /** For threads on a busy host: nothing here is about starvation or slow calls. */
  private static final DispatchLimits PATIENT =
      new DispatchLimits(10_000_000, 20_000_000_000L, 60_000_000_000L, 20_000_000_000L);

  /** For each core whose vCPUs are on it, and how many. */
  private final AtomicLongArray cores = new AtomicLongArray(8);

  private final AtomicLong together = new AtomicLong();
  private volatile String broken = "";

  /** A relay that looks who else is on its core. */
  private final class Watched extends Relay {
    private final int domid;

    Watched(int domid, int vcpu, boolean busy) {
      super("d" + domid + "v" + vcpu, busy);
      this.domid = domid;
    }

    private int core() {
      String thread = Thread.currentThread().getName();
      return Integer.parseInt(thread.substring(thread.indexOf('-') + 1)) / GRANULARITY;
    }

    @Override
    void entered() {
      long before = cores.getAndUpdate(core(), word -> (word & 0xFFFF) + 1 | (long) domid << 16);
      if ((before & 0xFFFF) != 0) {
        together.incrementAndGet();
        if (before >> 16 != domid) {
          broken = "domains %d and %d were on one core".formatted(domid, before >> 16);
        }
      }
    }

    @Override
    void left() {
      cores.decrementAndGet(core());
    }
  }

  /** Of every four domains one always runs, and the vCPUs of the others hand on tokens. */
  private Relay[] relays(Pool pool) {
    List<Relay> relays = new ArrayList<>();
    for (int domid = 0; domid < DOMAINS; domid++) {
      int vcpus = domid % 3 == 1 ? 1 : 2; // some have half a core for nothing
      for (int vcpu = 0; vcpu < vcpus; vcpu++) {
        Relay relay = new Watched(domid, vcpu, domid % 4 == 0);
        UnitParams params = UnitParams.DEFAULT.withWeight(64 << domid % 5);
        relay.unit = pool.add(relay, domid, vcpu, params.withCap(domid % 16 == 1 ? 40 : 0));
        relays.add(relay);
      }
    }
    List<Relay> passing = relays.stream().filter(relay -> !relay.busy).toList();
    for (int i = 0; i < passing.size(); i++) {
      passing.get(i).next = passing.get((i + 7) % passing.size());
    }
    relays.stream().filter(relay -> relay.busy).forEach(relay -> relay.next = passing.getFirst());
    relays.forEach(Relay::give);
    return relays.toArray(Relay[]::new);
  }

  private void expectAllGoOn(Relay[] relays) {
    long[] worked = Arrays.stream(relays).mapToLong(Relay::worked).toArray();
    for (int i = 0; i < relays.length; i++) {
      Relay relay = relays[i];
      long before = worked[i];
      Await.until(relay.label() + " goes on", () -> relay.worked() > before);
      assertFalse(relay.wasRunTwice(), relay.label());
    }
    assertEquals("", broken);
  }

  @Test
  void everySchedulerTakesOverFromEveryOtherAndDomainsStayApart() {
    List<SchedulerFactory> all = Schedulers.all();
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 4, GRANULARITY, Schedulers.named("rr"), Map.of());
      Relay[] relays = relays(pool);
      for (SchedulerFactory from : all) {
        for (SchedulerFactory to : all) {
          swap(pool, from);
          swap(pool, to);
          if (!to.name().equals("null")) { // who has a core there may sleep for ever
            long before = workOf(relays);
            Await.until("some go on", () -> workOf(relays) > before + 100);
          }
          assertEquals("", broken);
        }
      }
      swap(pool, Schedulers.named("rr")); // which serves all
      expectAllGoOn(relays);
      assertTrue(together.get() > 0, "vCPUs of one domain do share a core");
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  private static long workOf(Relay[] relays) {
    long work = 0;
    for (Relay relay : relays) {
      work += relay.worked();
    }
    return work;
  }

  private static void swap(Pool pool, SchedulerFactory to) {
    SwapReport report = pool.swap(to, Schedulers.parameters(to, pool.pcpus() / GRANULARITY));
    assertTrue(report.swapped(), () -> report.refusal().orElse(""));
    assertEquals(DOMAINS, report.units(), "units are pairs");
  }

  @ParameterizedTest
  @ValueSource(strings = {"credit", "credit2", "eevdf", "rr", "rtds", "chaos"})
  void allUnitsGetTurns(String scheduler) {
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 4, GRANULARITY, Schedulers.named(scheduler), Map.of());
      Relay[] relays = relays(pool);
      expectAllGoOn(relays);
      expectAllGoOn(relays);
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  @Test
  void aRunQueueForEachCoreIsEnteredAndLeftUnderLoad() {
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 4, GRANULARITY, Schedulers.named("rr"), Map.of());
      Relay[] relays = relays(pool);
      for (int i = 0; i < 12; i++) {
        String name = i % 2 == 0 ? "credit2" : "eevdf";
        SwapReport report = pool.swap(Schedulers.named(name), Map.of("run-queues", "pcpu"));
        assertTrue(report.swapped(), () -> report.refusal().orElse(""));
        expectAllGoOn(relays);
        swap(pool, Schedulers.named("rr"));
      }
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  /**
   * One domain has two busy vCPUs, the other one: what counts is for how long they had the core.
   */
  @ParameterizedTest
  @ValueSource(strings = {"credit", "credit2", "eevdf"})
  void theTimeOfACoreIsSharedByWeight(String scheduler) {
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 2, GRANULARITY, Schedulers.named(scheduler), Map.of());
      busy(pool, 1, 0, 256);
      busy(pool, 1, 1, 256);
      busy(pool, 2, 0, 512);
      Await.until("both are known", () -> pool.snapshot().size() == 2);
      List<DispatchUnit> units = new ArrayList<>(pool.snapshot());
      units.sort(Comparator.comparingInt(DispatchUnit::domid));
      awaitDelivered(units, 300 * MS);
      long before = units.getFirst().cpuTimeNanos();
      long delivered = awaitDelivered(units, 3_000 * MS);
      double share = (units.getFirst().cpuTimeNanos() - before) / (double) delivered;
      System.out.printf("%s, share of a core: %.3f, expected: 0.333%n", scheduler, share);
      assertEquals(1 / 3.0, share, 0.05);
      assertEquals("", broken);
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  private void busy(Pool pool, int domid, int vcpu, int weight) {
    Relay relay = new Watched(domid, vcpu, true);
    relay.unit = pool.add(relay, domid, vcpu, UnitParams.DEFAULT.withWeight(weight));
    relay.give();
  }

  private static long awaitDelivered(List<DispatchUnit> units, long nanos) {
    long before = delivered(units);
    Await.until("the time was had", () -> delivered(units) - before >= nanos);
    return delivered(units) - before;
  }

  private static long delivered(List<DispatchUnit> units) {
    return units.stream().mapToLong(DispatchUnit::cpuTimeNanos).sum();
  }
}
