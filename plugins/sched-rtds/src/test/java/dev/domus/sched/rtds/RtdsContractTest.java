package dev.domus.sched.rtds;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import dev.domus.sched.contract.SimUnit;
import dev.domus.sched.contract.Simulator;
import dev.domus.sched.contract.Workload;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class RtdsContractTest extends SchedulerContract {
  private static final long MS = 1_000_000;
  private static final long SECOND = 1_000_000_000;
  private static final SchedulerFactory RTDS = new RtdsFactory();

  @Override
  protected SchedulerFactory factory() {
    return RTDS;
  }

  @Override
  protected Set<Claim> claims() {
    return EnumSet.complementOf(EnumSet.of(Claim.WEIGHTS));
  }

  private static SimUnit busy(
      Simulator simulator, int domid, int budgetMs, int periodMs, String extra) {
    SimUnit unit = simulator.add(domid, 256, Workload.cpuBound());
    simulator.give(
        unit,
        RTDS,
        Map.of("period", periodMs + "000", "budget", budgetMs + "000", "extratime", extra));
    return unit;
  }

  @Test
  void withoutExtraTimeABudgetIsHadAndIsACapInEachPeriod() {
    Simulator simulator = new Simulator(1, RTDS);
    SimUnit one = busy(simulator, 1, 3, 10, "off");
    SimUnit two = busy(simulator, 2, 10, 40, "off");
    for (int period = 1; period <= 100; period++) {
      simulator.run(40 * MS);
      assertEquals(12 * MS * period, simulator.runNanos(one));
      assertEquals(10 * MS * period, simulator.runNanos(two));
    }
    assertEquals(4 * SECOND - 22 * 100 * MS, simulator.idleNanos());
  }

  @Test
  void feasibleReservationsOfOneCpuMissNoDeadline() {
    for (long seed = 0; seed < 50; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      Simulator simulator = new Simulator(1, RTDS);
      List<SimUnit> units = new ArrayList<>();
      List<int[]> reservations = new ArrayList<>();
      double free = 1;
      for (int domid = 1; free > 0.05 && domid < 10; domid++) {
        int period = List.of(5, 10, 20, 40, 100).get(random.nextInt(5));
        int budget = (int) Math.floor(period * Math.min(free, random.nextDouble(0.05, 0.6)));
        if (budget > 0) {
          free -= budget / (double) period;
          units.add(busy(simulator, domid, budget, period, "off"));
          reservations.add(new int[] {budget, period});
        }
      }
      SimUnit greedy = simulator.add(100, 256, Workload.cpuBound());
      simulator.give(greedy, RTDS, Map.of("budget", "10", "period", "10000000"));
      for (int ms = 5; ms <= 1_000; ms += 5) {
        simulator.run(5 * MS);
        for (int i = 0; i < units.size(); i++) {
          int[] reservation = reservations.get(i);
          if (ms % reservation[1] == 0) { // to a budget of the greedy one's, every ten seconds
            long due = (long) ms / reservation[1] * reservation[0] * MS;
            long had = simulator.runNanos(units.get(i));
            assertTrue(
                had >= due - 20_000 && had <= due, "seed " + seed + ": " + had + " of " + due);
          }
        }
      }
    }
  }

  @Test
  void aBudgetThatWasNotUsedIsLostAndOneThatWasNotBegunIsKept() {
    Simulator simulator = new Simulator(1, RTDS);
    SimUnit sleeper = simulator.add(1, 256, Workload.periodic(4 * MS, 15 * MS)); // at 0, 19, 38 …
    simulator.give(sleeper, RTDS, Map.of("extratime", "off"));
    busy(simulator, 2, 10, 100, "on");
    simulator.run(19 * MS);
    assertEquals(4 * MS, simulator.runNanos(sleeper));
    simulator.run(4 * MS); // the last millisecond of one budget, and three of the next
    assertEquals(8 * MS, simulator.runNanos(sleeper));
  }

  @Test
  void whatNoReservationWantsGoesToThoseWithExtraTimeEvenly() {
    Simulator simulator = new Simulator(1, RTDS);
    SimUnit reserved = busy(simulator, 1, 2, 10, "off");
    SimUnit one = busy(simulator, 2, 1, 10, "on");
    SimUnit two = busy(simulator, 3, 1, 10, "on");
    simulator.run(2 * SECOND);
    assertEquals(0.2, simulator.runNanos(reserved) / (2.0 * SECOND), 0.002);
    assertEquals(0.4, simulator.runNanos(one) / (2.0 * SECOND), 0.01);
    assertEquals(0.4, simulator.runNanos(two) / (2.0 * SECOND), 0.01);
  }

  @Test
  void onAnOverloadedPoolEverybodyGetsOn() {
    Simulator simulator = new Simulator(1, RTDS);
    busy(simulator, 1, 50, 100, "off");
    for (int domid = 2; domid < 6; domid++) {
      busy(simulator, domid, 10, 10, "off");
    }
    simulator.run(10 * SECOND);
    for (SimUnit unit : simulator.units()) {
      assertTrue(simulator.runNanos(unit) > SECOND, unit::label);
      assertTrue(
          simulator.longestWaitNanos(unit) <= 150 * MS, "its period, and a turn of all others");
    }
  }

  @Test
  void admissionKeepsThePromiseToThoseWhoCameFirst() {
    for (String rule : new String[] {"soft", "hard"}) {
      Simulator simulator = new Simulator(1, RTDS, Map.of("admission", rule));
      SimUnit one = busy(simulator, 1, 6, 10, "off");
      SimUnit two = busy(simulator, 2, 6, 10, "on");
      SimUnit three = busy(simulator, 3, 4, 10, "off");
      SimUnit four = busy(simulator, 4, 1, 10, "off");
      simulator.run(SECOND);
      assertEquals(0.6, simulator.runNanos(one) / (double) SECOND, 0.01);
      assertTrue(
          simulator.runNanos(two) <= 0.01 * SECOND, "only extra time, of which there is none");
      assertEquals(0.4, simulator.runNanos(three) / (double) SECOND, 0.01);
      assertEquals(0, simulator.runNanos(four) / (double) SECOND, 0.01);
      simulator.remove(one);
      long before = simulator.runNanos(two);
      simulator.run(SECOND);
      assertEquals(0.6, (simulator.runNanos(two) - before) / (double) SECOND, 0.01);
    }
  }

  @Test
  void hardAdmissionLeavesRoomForTheLongestOnSeveralCpus() {
    Simulator simulator = new Simulator(2, RTDS, Map.of("admission", "hard"));
    busy(simulator, 1, 8, 10, "off");
    SimUnit fits = busy(simulator, 2, 4, 10, "off"); // 0.8 + 0.4 = 2 - 0.8
    SimUnit refused = busy(simulator, 3, 1, 10, "off");
    simulator.run(SECOND);
    assertEquals(0.4, simulator.runNanos(fits) / (double) SECOND, 0.01);
    assertEquals(0, simulator.runNanos(refused), 10 * MS);
  }

  @Test
  void aBudgetLongerThanItsPeriodIsRefused() {
    Simulator simulator = new Simulator(1, RTDS);
    SimUnit unit = simulator.add(1, 0, 256, 0, CpuMask.ALL, Workload.cpuBound());
    IllegalArgumentException refusal =
        assertThrows(
            IllegalArgumentException.class,
            () -> simulator.give(unit, RTDS, Map.of("budget", "20000")));
    assertEquals(
        "a budget must not be longer than its period: budget=20000 us period=10000 us",
        refusal.getMessage());
    SchedParameters defaults = SchedParameters.ofUnit(RTDS, SchedParameters.none());
    assertEquals(4_000, defaults.get("budget"));
    assertEquals(10_000, defaults.get("period"));
  }
}
