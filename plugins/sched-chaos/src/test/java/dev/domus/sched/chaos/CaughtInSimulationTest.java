package dev.domus.sched.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.sched.contract.ContractViolation;
import dev.domus.sched.contract.SimUnit;
import dev.domus.sched.contract.Simulator;
import dev.domus.sched.contract.Workload;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The contract kit finds each misdeed but the one that takes real time. */
class CaughtInSimulationTest {
  private static final long SECOND = 1_000_000_000;

  private static Simulator simulator(Map<String, String> parameters) {
    Simulator simulator = new Simulator(2, new ChaosFactory(), parameters);
    for (int domid = 1; domid <= 8; domid++) {
      Workload workload =
          domid % 2 == 0 ? Workload.cpuBound() : Workload.random(domid, 200_000, 2_000_000);
      simulator.add(domid, 256, workload);
    }
    return simulator;
  }

  private static long longestNeglect(Simulator simulator) {
    long longest = 0;
    for (SimUnit unit : simulator.units()) {
      longest = Math.max(longest, simulator.longestNeglectNanos(unit));
    }
    return longest;
  }

  @Test
  void aSceneWithoutMisdeedsNeglectsNobody() {
    Simulator simulator = simulator(Map.of());
    simulator.run(20 * SECOND);
    assertTrue(longestNeglect(simulator) < SECOND / 10);
  }

  @Test
  void whatItThrowsComesOut() {
    Simulator simulator = simulator(Map.of("throw", "1000"));
    IllegalStateException thrown =
        assertThrows(IllegalStateException.class, () -> simulator.run(20 * SECOND));
    assertEquals("chaos was asked to throw", thrown.getMessage());
  }

  @Test
  void anIllegalDecisionIsNamed() {
    for (int seed = 0; seed < 20; seed++) {
      Simulator simulator = simulator(Map.of("wrong-pick", "1000", "seed", "" + seed));
      assertThrows(ContractViolation.class, () -> simulator.run(20 * SECOND));
    }
  }

  @Test
  void aLeakedUnitAndAStarvedOneAreMissed() {
    for (String misdeed : new String[] {"leak", "starve"}) {
      Simulator simulator = simulator(Map.of(misdeed, "1000"));
      simulator.run(20 * SECOND);
      assertTrue(longestNeglect(simulator) > 10 * SECOND, misdeed);
    }
  }

  @Test
  void anIdleCpuBesideWorkIsFoundOfWhoeverClaimsToConserveIt() {
    Simulator simulator = simulator(Map.of("delay", "1000")).checkingWorkConservation();
    assertThrows(ContractViolation.class, () -> simulator.run(20 * SECOND));
  }

  @Test
  void theSameSeedDoesTheSameAndAnotherOneDoesNot() {
    assertEquals(historyOf("7"), historyOf("7"));
    assertTrue(historyOf("7") != historyOf("8"));
  }

  private static long historyOf(String seed) {
    Map<String, String> parameters = Map.of("delay", "50000", "reorder", "200000", "seed", seed);
    Simulator simulator = simulator(parameters);
    simulator.run(SECOND);
    long history = simulator.decisions();
    for (SimUnit unit : simulator.units()) {
      history = history * 31 + simulator.runNanos(unit);
    }
    return history;
  }
}
