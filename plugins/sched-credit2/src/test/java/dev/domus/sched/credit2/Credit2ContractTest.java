package dev.domus.sched.credit2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import dev.domus.sched.contract.SimUnit;
import dev.domus.sched.contract.Simulator;
import dev.domus.sched.contract.Workload;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class Credit2ContractTest extends SchedulerContract {
  private static final long MS = 1_000_000;
  private static final long SECOND = 1_000_000_000;

  @Override
  protected SchedulerFactory factory() {
    return new Credit2Factory();
  }

  @Override
  protected Set<Claim> claims() {
    return EnumSet.allOf(Claim.class);
  }

  @Test
  void whoSleepsMostOfTheTimeWaitsForAMillisecondAtMostOnAverage() {
    for (int limit : new int[] {0, 1_000}) {
      Simulator simulator = new Simulator(1, factory(), Map.of("ratelimit", "" + limit));
      for (int i = 0; i < 10; i++) {
        simulator.add(i, 256, Workload.cpuBound());
      }
      SimUnit light = simulator.add(20, 256, Workload.periodic(100_000, 7 * MS));
      simulator.run(SECOND); // by then it has slept, and has credit
      long before = light.picks();
      simulator.run(20 * SECOND);
      long cycle = 20 * SECOND / (light.picks() - before);
      long waited = cycle - 7_100_000; // in turn with the ten it would be 10 ms or more
      assertTrue(waited <= MS, waited + " ns, limit " + limit);
    }
  }

  @Test
  void whoWakesUpOftenPreemptsNobodyWithinTheRateLimit() {
    Simulator simulator = new Simulator(1, factory(), Map.of("ratelimit", "5000"));
    SimUnit busy = simulator.add(1, 256, Workload.cpuBound());
    SimUnit light = simulator.add(2, 256, Workload.periodic(10_000, 100_000));
    simulator.run(SECOND);
    long before = simulator.runNanos(busy);
    long picksBefore = light.picks();
    simulator.run(SECOND);
    long turns = light.picks() - picksBefore;
    assertTrue(turns <= 1_000 / 5 + 1, turns + " turns in a second");
    assertTrue(simulator.runNanos(busy) - before > 990 * MS);
  }

  @Test
  void aSoftAffinityIsKeptWhereThereIsRoom() {
    Simulator simulator = new Simulator(4, factory());
    SimUnit one = simulator.add(1, 256, Workload.periodic(MS, 3 * MS));
    SimUnit two = simulator.add(2, 256, Workload.periodic(MS, 4 * MS));
    simulator.prefer(one, CpuMask.of(2));
    simulator.prefer(two, CpuMask.of(3));
    for (int i = 0; i < 1_000; i++) {
      simulator.run(MS);
      assertTrue(one.lastPcpu() == 2 && two.lastPcpu() == 3, one.lastPcpu() + " " + two.lastPcpu());
    }
  }

  @Test
  void unitsStayWhereTheyAreWhenNothingIsGainedByAMove() {
    Simulator simulator = new Simulator(2, factory());
    SimUnit one = simulator.add(1, 256, Workload.cpuBound());
    SimUnit two = simulator.add(2, 256, Workload.cpuBound());
    simulator.run(MS);
    int home = one.lastPcpu();
    for (int i = 0; i < 1_000; i++) {
      simulator.run(MS);
      assertEquals(home, one.lastPcpu());
      assertEquals(1 - home, two.lastPcpu());
    }
  }

  @Test
  void theLoadAverageFollowsTheLoadAndForgetsIt() {
    LoadAverage average = new LoadAverage(SECOND, 0);
    long now = 0;
    for (int i = 0; i < 5_000_000; i++) {
      now += 1_000;
      average.advance(now, i % 4 == 0 ? 6 : 2); // steps far below what moves the average
    }
    assertEquals(3, average.average() / (double) LoadAverage.ONE, 0.05);
    average.advance(now += SECOND / 2, 0);
    assertEquals(1.5, average.average() / (double) LoadAverage.ONE, 0.1);
    average.advance(now + 10 * SECOND, 0);
    assertEquals(0, average.average());
  }

  @Test
  void aMoveIsWorthItOnlyIfItEvensOutMoreThanIsTolerated() {
    Balance balance = new Balance(SECOND, 12, 100);
    long one = LoadAverage.ONE;
    assertTrue(balance.isWorthIt(3 * one, 1, one, 1, one / 2));
    assertTrue(!balance.isWorthIt(3 * one, 1, one, 1, 2 * one), "it would only turn it round");
    assertTrue(!balance.isWorthIt(one, 1, one * 95 / 100, 1, one / 100), "within tolerance");
    assertTrue(!balance.isWorthIt(one * 9 / 10, 1, 0, 1, one / 2), "nobody lacks a pCPU");
    assertTrue(balance.isWorthIt(2 * one, 16, one, 16, one));
  }
}
