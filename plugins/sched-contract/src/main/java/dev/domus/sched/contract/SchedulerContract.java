package dev.domus.sched.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * What every scheduler promises, tested in virtual time. A scheduler's test class extends this and
 * says what it claims; what it does not claim is skipped, or, for weights, the opposite is tested.
 */
public abstract class SchedulerContract {
  private static final long MS = 1_000_000;
  private static final long SECOND = 1_000_000_000;
  private static final int SEEDS = 40;

  /** For subclasses. */
  protected SchedulerContract() {}

  /** The scheduler under test. */
  protected abstract SchedulerFactory factory();

  /**
   * Whether CPU-bound units get shares in proportion to their weights; else they get equal ones.
   */
  protected abstract boolean claimsWeights();

  /** Whether no domain uses more than its cap. */
  protected abstract boolean claimsCaps();

  /** Whether no pCPU idles while a unit without a cap waits that may run there. */
  protected boolean claimsWorkConservation() {
    return true;
  }

  /** How far a share over a second or more may be off, relative to what it should be. */
  protected double shareTolerance() {
    return 0.03;
  }

  // ------------------------------------------------------------------ rules

  @Test
  void randomHistoriesBreakNoRule() {
    for (long seed = 0; seed < SEEDS; seed++) {
      RandomHistory history = new RandomHistory(seed);
      Simulator simulator = simulator(history.pcpus());
      history.populate(simulator);
      for (int step = 0; step < 100; step++) {
        history.step(simulator);
      }
      history.resumeAll(simulator);
      expectNobodyStarvesIn(simulator, "seed " + seed);
    }
  }

  @Test
  void randomHistoriesBreakNoRuleAcrossSwaps() {
    for (long seed = 0; seed < SEEDS; seed++) {
      RandomHistory history = new RandomHistory(seed);
      Simulator simulator = simulator(history.pcpus());
      history.populate(simulator);
      for (int step = 0; step < 100; step++) {
        history.step(simulator);
        simulator.swap(step % 2 == 0 ? ReferenceFifo.FACTORY : factory());
      }
      history.resumeAll(simulator);
      expectNobodyStarvesIn(simulator, "seed " + seed);
    }
  }

  @Test
  void aPoolWithNothingToDoAsksForNothing() {
    Simulator simulator = simulator(4);
    SimUnit unit = simulator.add(1, 256, Workload.periodic(MS, 3_600 * SECOND));
    simulator.run(SECOND);
    long decisions = simulator.decisions();
    simulator.run(600 * SECOND);
    assertEquals(decisions, simulator.decisions());
    assertEquals(MS, simulator.runNanos(unit));
  }

  @Test
  void aUnitAloneGetsAllItWants() {
    Simulator simulator = simulator(1);
    SimUnit unit = simulator.add(1, 1, Workload.cpuBound());
    simulator.run(SECOND);
    assertEquals(SECOND, simulator.runNanos(unit));
  }

  @Test
  void oneThatYieldsAllTheTimeLetsOthersRun() {
    Simulator simulator = simulator(1);
    simulator.add(1, 65_535, Workload.periodic(20_000, 0));
    SimUnit backend = simulator.add(2, 1, Workload.periodic(MS, MS));
    simulator.run(SECOND);
    assertTrue(
        simulator.runNanos(backend) > 300 * MS, "the backend ran " + simulator.runNanos(backend));
  }

  // ------------------------------------------------------------------ shares

  @Test
  void equalUnitsGetEqualShares() {
    for (int pcpus : new int[] {1, 2, 3, 8}) {
      Simulator simulator = simulator(pcpus);
      int n = pcpus * 3 + 1;
      for (int i = 0; i < n; i++) {
        simulator.add(i, 256, Workload.cpuBound());
      }
      simulator.run(5 * SECOND);
      for (SimUnit unit : simulator.units()) {
        expectShare(simulator, unit, 5 * SECOND, (double) pcpus / n);
      }
    }
  }

  @Test
  void twoUnitsOnOneCpuShareByWeightOrEqually() {
    for (int heavy : new int[] {256, 512, 1_024, 2_560}) {
      Simulator simulator = simulator(1);
      SimUnit light = simulator.add(1, 256, Workload.cpuBound());
      SimUnit other = simulator.add(2, heavy, Workload.cpuBound());
      simulator.run(SECOND / 2); // the first to come has had the pCPU to itself
      long before = simulator.runNanos(light);
      simulator.run(2 * SECOND);
      double share = claimsWeights() ? 256.0 / (256 + heavy) : 0.5;
      double was = (simulator.runNanos(light) - before) / (2.0 * SECOND);
      assertEquals(share, was, share * shareTolerance(), () -> "weights 256 : " + heavy);
      assertEquals(simulator.nowNanos(), simulator.runNanos(light) + simulator.runNanos(other));
    }
  }

  @Test
  void whatAHeavyUnitCannotUseGoesToTheOthersByWeight() {
    assumeTrue(claimsWeights());
    Simulator simulator = simulator(2);
    SimUnit one = simulator.add(1, 100, Workload.cpuBound());
    SimUnit two = simulator.add(2, 200, Workload.cpuBound());
    SimUnit whole = simulator.add(3, 900, Workload.cpuBound()); // 3/4 of two pCPUs: takes only one
    simulator.run(5 * SECOND);
    expectShare(simulator, whole, 5 * SECOND, 1);
    expectShare(simulator, one, 5 * SECOND, 1 / 3.0);
    expectShare(simulator, two, 5 * SECOND, 2 / 3.0);
  }

  @Test
  void sharesSettleAgainWithinASecondAfterOneComesBack() {
    assumeTrue(claimsWeights());
    Simulator simulator = simulator(1);
    SimUnit light = simulator.add(1, 256, Workload.cpuBound());
    SimUnit heavy = simulator.add(2, 512, Workload.cpuBound());
    simulator.run(SECOND);
    simulator.pause(heavy);
    simulator.run(10 * SECOND);
    simulator.resume(heavy);
    simulator.run(SECOND / 2); // what it has saved up is spent
    long before = simulator.runNanos(light);
    simulator.run(SECOND);
    double share = (simulator.runNanos(light) - before) / (double) SECOND;
    assertEquals(1 / 3.0, share, 0.02); // the second may begin and end within a period
  }

  @Test
  void sharesSurviveFrequentSwapsToItself() {
    Simulator simulator = simulator(1);
    SimUnit light = simulator.add(1, 256, Workload.cpuBound());
    SimUnit heavy = simulator.add(2, 512, Workload.cpuBound());
    SplittableRandom random = new SplittableRandom(7);
    while (simulator.nowNanos() < 5 * SECOND) {
      simulator.run(random.nextLong(MS, 20 * MS));
      simulator.swap(factory());
    }
    double total = simulator.nowNanos();
    double share = claimsWeights() ? 1 / 3.0 : 0.5;
    assertEquals(share, simulator.runNanos(light) / total, 0.05);
    assertEquals(1 - share, simulator.runNanos(heavy) / total, 0.05);
  }

  // ------------------------------------------------------------------ caps

  @Test
  void aCapHoldsOnAnIdlePool() {
    assumeTrue(claimsCaps());
    for (int cap : new int[] {1, 10, 50, 90}) {
      Simulator simulator = simulator(2);
      SimUnit unit = simulator.add(1, 0, 256, cap, CpuMask.ALL, Workload.cpuBound());
      simulator.run(10 * SECOND);
      expectShare(simulator, unit, 10 * SECOND, cap / 100.0);
    }
  }

  @Test
  void aCapIsTheDomainsAndNotEachVcpus() {
    assumeTrue(claimsCaps());
    Simulator simulator = simulator(4);
    List<SimUnit> domain = new ArrayList<>();
    for (int vcpu = 0; vcpu < 3; vcpu++) {
      domain.add(simulator.add(1, vcpu, 256, 150, CpuMask.ALL, Workload.cpuBound()));
    }
    SimUnit free = simulator.add(2, 256, Workload.cpuBound());
    simulator.run(10 * SECOND);
    double sum = 0;
    for (SimUnit unit : domain) {
      sum += simulator.runNanos(unit) / (10.0 * SECOND);
    }
    assertEquals(1.5, sum, 1.5 * shareTolerance());
    expectShare(simulator, free, 10 * SECOND, 1);
  }

  // ------------------------------------------------------------------ cost

  @Test
  void decisionsAllocateNothing() {
    DecisionLoop loop = new DecisionLoop(factory(), 64);
    loop.run(200_000); // compiled by then
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int decisions = 100_000;
    long before = threads.getCurrentThreadAllocatedBytes();
    loop.run(decisions);
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(bytes < decisions, "bytes=%d decisions=%d".formatted(bytes, decisions));
  }

  /** Picks, puts, wake-ups and sleeps without a simulator around them. */
  private static final class DecisionLoop implements SchedPool {
    private final Scheduler scheduler;
    private final SimUnit[] units;
    private final Decision decision = new Decision();
    private long nowNanos;

    DecisionLoop(SchedulerFactory factory, int n) {
      scheduler = factory.create(this, SchedParameters.check(factory, Map.of()));
      units = new SimUnit[n];
      for (int i = 0; i < n; i++) {
        units[i] = new SimUnit(i, 0, 256, SchedUnit.NO_CAP, CpuMask.ALL, Workload.cpuBound());
        scheduler.insert(units[i], nowNanos);
      }
    }

    void run(int decisions) {
      for (int i = 0; i < decisions; i++) {
        SimUnit woken = units[i % units.length];
        if (!woken.runnable) {
          woken.runnable = true;
          scheduler.wake(woken, nowNanos);
        }
        decision.reset();
        scheduler.pick(0, nowNanos, decision);
        SimUnit unit = (SimUnit) decision.unit();
        nowNanos += decision.sliceNanos();
        PutReason reason = i % 3 == 0 ? PutReason.SLEPT : PutReason.EXPIRED;
        unit.runnable = reason != PutReason.SLEPT;
        scheduler.put(unit, 0, reason, decision.sliceNanos(), nowNanos);
      }
    }

    @Override
    public String name() {
      return "loop";
    }

    @Override
    public int pcpus() {
      return 1;
    }

    @Override
    public void tickle(int pcpu) {}
  }

  // ------------------------------------------------------------------

  private Simulator simulator(int pcpus) {
    Simulator simulator = new Simulator(pcpus, factory());
    return claimsWorkConservation() ? simulator.checkingWorkConservation() : simulator;
  }

  private void expectShare(Simulator simulator, SimUnit unit, long outOfNanos, double expected) {
    double share = simulator.runNanos(unit) / (double) outOfNanos;
    assertEquals(expected, share, expected * shareTolerance(), unit::label);
  }

  private static void expectNobodyStarvesIn(Simulator simulator, String what) {
    simulator.run(3 * SECOND);
    for (SimUnit unit : simulator.units()) {
      long waited = simulator.longestWaitNanos(unit);
      assertTrue(
          waited <= RandomHistory.starvationNanos(simulator, unit),
          () -> what + ": " + unit + " waited for " + waited / MS + " ms");
    }
  }
}
