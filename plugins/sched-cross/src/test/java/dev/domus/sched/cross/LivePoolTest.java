package dev.domus.sched.cross;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.dispatch.DispatchLimits;
import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.PcpuClock;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.credit.CreditFactory;
import dev.domus.sched.rr.RoundRobinFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** What schedulers promise holds under the kernel's dispatcher too, also on a busy host. */
class LivePoolTest {
  private static final long MS = 1_000_000;
  private static final SchedulerFactory CREDIT = new CreditFactory();
  private static final SchedulerFactory RR = new RoundRobinFactory();

  /** For threads on a busy host: nothing here is about faults. */
  private static final DispatchLimits PATIENT =
      new DispatchLimits(10_000_000, 20_000_000_000L, 60_000_000_000L, 20_000_000_000L);

  // ------------------------------------------------------------------ shares, in virtual time

  @Test
  void sharesFollowWeightsThenTurnsThenWeightsAsTheSchedulerIsSwapped() {
    sharesFollowTheScheduler(VirtualHost.unloaded(), 0.01);
  }

  private static void sharesFollowTheScheduler(VirtualHost host, double tolerance) {
    try (Dispatcher dispatcher = new Dispatcher(host, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 1, CREDIT, Map.of());
      DispatchUnit light = pool.add(host.spender("d1v0"), 1, 0, UnitParams.DEFAULT);
      DispatchUnit heavy = pool.add(host.spender("d2v0"), 2, 0, UnitParams.DEFAULT.withWeight(512));
      light.wake();
      heavy.wake();
      host.deliver(500 * MS); // who came first had the pCPU to itself
      expectShares(host, tolerance, List.of(light, heavy), 1, 2);
      assertTrue(pool.swap(RR, Map.of()).swapped());
      expectShares(host, tolerance, List.of(light, heavy), 1, 1);
      assertTrue(pool.swap(CREDIT, Map.of()).swapped());
      expectShares(host, tolerance, List.of(light, heavy), 1, 2);
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  /** Lets units have 4 s of CPU time, and looks at how they shared it. */
  private static void expectShares(
      VirtualHost host, double tolerance, List<DispatchUnit> units, int... weights) {
    long start = host.deliveredNanos();
    long[] before = units.stream().mapToLong(DispatchUnit::cpuTimeNanos).toArray();
    host.deliver(4_000 * MS);
    double delivered = host.deliveredNanos() - start;
    double sum = Arrays.stream(weights).sum();
    double all = 0;
    for (int i = 0; i < before.length; i++) {
      double share = (units.get(i).cpuTimeNanos() - before[i]) / delivered;
      assertEquals(weights[i] / sum, share, tolerance, units.get(i)::label);
      all += share;
    }
    assertEquals(1, all, 0.001, "what is charged is what was delivered");
  }

  // ------------------------------------------------------------------ the host steals time

  @Test
  void sharesFollowTheSchedulerOnAHostThatStealsMostOfTheTime() {
    for (int seed = 1; seed <= 10; seed++) {
      sharesFollowTheScheduler(VirtualHost.stealing(0.6, seed), 0.02);
    }
  }

  @Test
  void threeWeightsAreKeptToOnAHostThatStealsMostOfTheTime() {
    for (int seed = 1; seed <= 10; seed++) {
      VirtualHost host = VirtualHost.stealing(0.6, seed);
      try (Dispatcher dispatcher = new Dispatcher(host, PATIENT)) {
        Pool pool = dispatcher.createPool("p", 1, CREDIT, Map.of());
        List<DispatchUnit> units = new ArrayList<>();
        for (int weight : new int[] {100, 200, 500}) {
          UnitParams params = UnitParams.DEFAULT.withWeight(weight);
          units.add(pool.add(host.spender("d" + weight + "v0"), weight, 0, params));
        }
        units.forEach(DispatchUnit::wake);
        host.deliver(500 * MS);
        expectShares(host, 0.02, units, 1, 2, 5);
        assertEquals(List.of(), dispatcher.faults());
      }
    }
  }

  @Test
  void aCapIsAPartOfWhatTheHostDelivers() {
    VirtualHost host = VirtualHost.stealing(0.6, 3);
    try (Dispatcher dispatcher = new Dispatcher(host, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 1, CREDIT, Map.of());
      DispatchUnit capped =
          pool.add(host.spender("d1v0"), 1, 0, UnitParams.DEFAULT.withWeight(1024).withCap(20));
      DispatchUnit free = pool.add(host.spender("d2v0"), 2, 0, UnitParams.DEFAULT);
      capped.wake();
      free.wake();
      host.deliver(500 * MS);
      expectShares(host, 0.02, List.of(capped, free), 1, 4);
    }
  }

  @Test
  void sharesFollowTheSchedulerOnThisHostUnderRealOverload() {
    AtomicBoolean over = new AtomicBoolean();
    for (int i = 0; i < 6; i++) {
      Thread.ofPlatform()
          .daemon()
          .start(() -> {
            while (!over.get()) {
              Thread.onSpinWait();
            }
          });
    }
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 1, CREDIT, Map.of());
      Relay[] relays = {new Relay("d1v0", true), new Relay("d2v0", true)};
      for (int i = 0; i < relays.length; i++) {
        UnitParams params = UnitParams.DEFAULT.withWeight(256 << i);
        relays[i].unit = pool.add(relays[i], i, 0, params);
        relays[i].give();
      }
      expectRealShare(relays, 1 / 3.0);
      assertTrue(pool.swap(RR, Map.of()).swapped());
      expectRealShare(relays, 1 / 2.0);
      assertEquals(List.of(), dispatcher.faults());
    } finally {
      over.set(true);
    }
  }

  /** Over a second of CPU time: some fifty slices. */
  private static void expectRealShare(Relay[] relays, double expected) {
    awaitDelivered(relays, 200 * MS);
    long before = relays[0].unit.cpuTimeNanos();
    long delivered = awaitDelivered(relays, 1_000 * MS);
    double share = (relays[0].unit.cpuTimeNanos() - before) / (double) delivered;
    System.out.printf("share under overload: %.3f, expected: %.3f%n", share, expected);
    assertEquals(expected, share, 0.05);
  }

  private static long awaitDelivered(Relay[] relays, long nanos) {
    long before = delivered(relays);
    Await.until("the CPU time was had", () -> delivered(relays) - before >= nanos);
    return delivered(relays) - before;
  }

  private static long delivered(Relay[] relays) {
    return Arrays.stream(relays).mapToLong(relay -> relay.unit.cpuTimeNanos()).sum();
  }
}
