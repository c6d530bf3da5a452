package dev.domus.sched.cross;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.dispatch.DispatchLimits;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.PcpuClock;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.SchedulerFault;
import dev.domus.kernel.dispatch.SwapReport;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** All schedulers under the kernel's dispatcher, swapped at random while units run. */
class RandomSwapsTest {
  private static final int PCPUS = 2;
  private static final int UNITS = 64;

  /** For threads on a busy host: nothing here is about starvation or slow calls. */
  private static final DispatchLimits PATIENT =
      new DispatchLimits(10_000_000, 20_000_000_000L, 60_000_000_000L, 20_000_000_000L);

  /** For faults that are to be found soon. */
  private static final DispatchLimits IMPATIENT =
      new DispatchLimits(5_000_000, 100_000_000, 10_000_000, 20_000_000_000L);

  private static Relay[] relays(Pool pool, int n) {
    Relay[] relays = new Relay[n];
    for (int i = 0; i < n; i++) {
      Relay relay = new Relay("d" + i + "v0", i % 4 == 0);
      int cap = i % 16 == 1 ? 40 : 0;
      relay.unit = pool.add(relay, i, 0, UnitParams.DEFAULT.withWeight(64 << i % 5).withCap(cap));
      relays[i] = relay;
    }
    for (int i = 0; i < n; i++) {
      int next = i;
      do {
        next = (next + 1) % n;
      } while (relays[next].busy);
      relays[i].next = relays[next];
    }
    for (Relay relay : relays) {
      relay.give(); // as many tokens as units, for those that block
    }
    return relays;
  }

  private static void expectAllGoOn(Relay[] relays) {
    for (Relay relay : relays) {
      long worked = relay.worked();
      Await.until(relay.label() + " goes on", () -> relay.worked() > worked);
      assertFalse(relay.wasRunTwice(), relay.label());
    }
  }

  @Test
  void aThousandSwapsBetweenRandomPairsUnderLoadLoseNothing() throws InterruptedException {
    swapUnderLoad(1_000);
  }

  @Test
  @Tag("long")
  void tenThousandSwapsBetweenRandomPairsUnderLoadLoseNothing() throws InterruptedException {
    swapUnderLoad(10_000);
  }

  private static void swapUnderLoad(int swaps) throws InterruptedException {
    SplittableRandom random = new SplittableRandom(swaps);
    List<SchedulerFactory> all = Schedulers.all();
    long[] meetings = new long[swaps];
    meet(meetings, 0, swaps / 2);
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", PCPUS, Schedulers.named("rr"), Map.of());
      Relay[] relays = relays(pool, UNITS);
      long[] pauses = new long[swaps];
      for (int i = 0; i < swaps; i++) {
        SchedulerFactory next = all.get(random.nextInt(all.size()));
        Map<String, String> parameters = new HashMap<>(Schedulers.parameters(next, PCPUS));
        if (next.name().equals("chaos")) {
          parameters.putAll(Map.of("delay", "50000", "reorder", "200000", "seed", "" + i));
        }
        SwapReport report = pool.swap(next, parameters);
        assertTrue(report.swapped(), () -> report.refusal().orElse(""));
        assertEquals(UNITS, report.units());
        pauses[i] = report.pauseNanos();
      }
      assertTrue(pool.swap(Schedulers.named("rr"), Map.of()).swapped()); // which serves all
      expectAllGoOn(relays);
      assertEquals(List.of(), dispatcher.faults());
      System.out.printf(
          "%d swaps between random pairs, %d units, %d pCPUs: pause %s%n",
          swaps, UNITS, PCPUS, percentiles(pauses));
    }
    meet(meetings, swaps / 2, swaps);
    System.out.printf("%d threads that only meet: %s%n", PCPUS, percentiles(meetings));
  }

  /** What the host itself takes to bring as many busy threads together. */
  private static void meet(long[] nanos, int from, int to) throws InterruptedException {
    try (Meeting meeting = new Meeting(PCPUS)) {
      for (int i = from; i < to; i++) {
        nanos[i] = meeting.callNanos();
      }
    }
  }

  private static String percentiles(long[] nanos) {
    Arrays.sort(nanos);
    int n = nanos.length;
    return "p50 %d us, p90 %d us, p99 %d us, max %d us"
        .formatted(
            nanos[n / 2] / 1_000,
            nanos[n * 9 / 10] / 1_000,
            nanos[n * 99 / 100] / 1_000,
            nanos[n - 1] / 1_000);
  }

  @Test
  void aRunQueueForEachCpuIsEnteredAndLeftUnderLoad() {
    SplittableRandom random = new SplittableRandom(5);
    List<SchedulerFactory> all = Schedulers.all();
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", PCPUS, Schedulers.named("rr"), Map.of());
      Relay[] relays = relays(pool, UNITS);
      for (int i = 0; i < 40; i++) {
        String name = i % 2 == 0 ? "credit2" : "eevdf";
        SwapReport report = pool.swap(Schedulers.named(name), Map.of("run-queues", "pcpu"));
        assertTrue(report.swapped(), () -> report.refusal().orElse(""));
        expectAllGoOn(relays);
        SchedulerFactory next = all.get(random.nextInt(all.size()));
        assertTrue(pool.swap(next, Schedulers.parameters(next, PCPUS)).swapped());
      }
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  @Test
  void withoutATableAPoolKeepsTheSchedulerThatItHas() {
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", PCPUS, Schedulers.named("credit2"), Map.of());
      Relay[] relays = relays(pool, 8);
      IllegalArgumentException refusal =
          assertThrows(
              IllegalArgumentException.class,
              () -> pool.swap(Schedulers.named("arinc653"), Map.of()));
      assertTrue(refusal.getMessage().contains("needs a frame table"), refusal.getMessage());
      assertEquals("credit2", pool.scheduler().name());
      expectAllGoOn(relays);
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  @Test
  void whatTheOperatorLetsWaitIsNotCalledStarving() {
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, IMPATIENT)) {
      Pool pool = dispatcher.createPool("p", 1, Schedulers.named("null"), Map.of());
      Relay[] relays = new Relay[3];
      for (int i = 0; i < relays.length; i++) {
        relays[i] = new Relay("d" + i + "v0", true);
        relays[i].unit = pool.add(relays[i], i, 0, UnitParams.DEFAULT);
        relays[i].give();
      }
      Await.until("one has run for long", () -> longest(relays) > 500_000_000L); // limit: 60 ms
      assertEquals(1, Arrays.stream(relays).filter(relay -> relay.worked() > 0).count());
      assertEquals(List.of(), dispatcher.faults());
      assertTrue(pool.swap(Schedulers.named("rr"), Map.of()).swapped());
      expectAllGoOn(relays);
    }
  }

  private static long longest(Relay[] relays) {
    return Arrays.stream(relays).mapToLong(relay -> relay.unit.cpuTimeNanos()).max().orElse(0);
  }

  // ------------------------------------------------------------------ chaos

  @Test
  void whateverChaosIsAskedToDoIsCaughtNamedAndSurvived() {
    expectFall("throw", 2_000, SchedulerFault.Kind.THREW, "chaos was asked to throw");
    expectFall("wrong-pick", 2_000, SchedulerFault.Kind.ILLEGAL_PICK, "");
    expectFall("hang", 2_000, SchedulerFault.Kind.OVERLONG_CALL, "PICK");
    expectFall("leak", 20_000, SchedulerFault.Kind.STARVATION, "was not picked");
    expectFall("starve", 2_000, SchedulerFault.Kind.STARVATION, "was not picked");
  }

  private static void expectFall(String misdeed, int ppm, SchedulerFault.Kind kind, String words) {
    for (int seed = 1; seed <= 3; seed++) {
      try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, IMPATIENT)) {
        Map<String, String> parameters =
            Map.of(misdeed, "" + ppm, "hang-time", "10000", "seed", "" + seed);
        Pool pool = dispatcher.createPool("p", PCPUS, Schedulers.named("rr"), Map.of());
        Relay[] relays = relays(pool, 8);
        pool.swap(Schedulers.named("chaos"), parameters);
        Await.until(misdeed + " is reported", () -> !dispatcher.faults().isEmpty());
        SchedulerFault fault = dispatcher.faults().getFirst();
        assertEquals(kind, fault.kind(), fault::toString);
        assertEquals("chaos", fault.scheduler());
        assertTrue(fault.detail().contains(words), fault::toString);
        expectAllGoOn(relays);
      }
    }
  }
}
