package dev.domus.sched.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.History.Habit;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AddLifecycleHook;
import net.jqwik.api.lifecycle.PropagationMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What every scheduler promises, tested in virtual time. A scheduler's test class extends this,
 * names its factory and says what it {@linkplain Claim claims}; what it does not claim is skipped,
 * by name.
 *
 * <p>Tests with fixed scenes are Jupiter's, tests with random ones are jqwik's, which shrinks what
 * fails to a small {@link History}. Its seed is fixed, so that a run can be repeated.
 */
@ExtendWith(ClaimCheck.class)
@AddLifecycleHook(value = ClaimCheck.class, propagateTo = PropagationMode.ALL_DESCENDANTS)
public abstract class SchedulerContract {
  private static final long MS = 1_000_000;
  private static final long SECOND = 1_000_000_000;
  private static final int TRIES = 60;
  private static final String SEED = "1";

  /** For subclasses. */
  protected SchedulerContract() {}

  /** The scheduler under test. */
  protected abstract SchedulerFactory factory();

  /** What it claims. */
  protected abstract Set<Claim> claims();

  /**
   * The parameters with which it is tested on a pool of so many pCPUs; by default none are given.
   */
  protected Map<String, String> parameters(int pcpus) {
    return Map.of();
  }

  /** How far a share over a second or more may be off, relative to what it should be. */
  protected double shareTolerance() {
    return 0.03;
  }

  // ------------------------------------------------------------------ rules

  @Property(tries = TRIES, seed = SEED, edgeCases = EdgeCasesMode.NONE)
  void randomHistoriesBreakNoRule(@ForAll("histories") History history) {
    Simulator simulator = simulator(history.pcpus());
    history.play(simulator);
    expectNobodyIsNeglectedIn(simulator);
  }

  @Property(tries = TRIES, seed = SEED, edgeCases = EdgeCasesMode.NONE)
  void randomHistoriesBreakNoRuleAcrossSwaps(@ForAll("histories") History history) {
    Simulator simulator = simulator(history.pcpus());
    history.play(
        simulator,
        step -> {
          if (step % 2 == 0) {
            simulator.swap(ReferenceFifo.FACTORY);
          } else {
            simulator.swap(factory(), parameters(simulator.pcpus()));
          }
        });
    simulator.swap(factory(), parameters(simulator.pcpus()));
    expectNobodyIsNeglectedIn(simulator);
  }

  @Property(tries = TRIES, seed = SEED, edgeCases = EdgeCasesMode.NONE)
  @Needs(Claim.CAPS)
  void noDomainEverExceedsItsCap(
      @ForAll @IntRange(min = 1, max = 4) int pcpus,
      @ForAll @Size(min = 1, max = 12) List<@IntRange(min = 1, max = 250) Integer> caps,
      @ForAll long seed) {
    Simulator simulator = simulator(pcpus);
    SplittableRandom random = new SplittableRandom(seed);
    Map<Integer, List<SimUnit>> domains = new HashMap<>();
    for (int domid = 0; domid < caps.size(); domid++) {
      for (int vcpu = random.nextInt(3); vcpu >= 0; vcpu--) {
        Habit habit = Habit.values()[random.nextInt(Habit.values().length)];
        Workload workload = habit.workload(random.nextLong());
        domains
            .computeIfAbsent(domid, id -> new ArrayList<>())
            .add(simulator.add(domid, vcpu, 256, caps.get(domid), CpuMask.ALL, workload));
      }
    }
    simulator.run(2 * SECOND);
    domains.forEach((domid, units) -> {
      long used = units.stream().mapToLong(simulator::runNanos).sum();
      double most = caps.get(domid) / 100.0 * 2 * SECOND * (1 + shareTolerance());
      // The last slice of each of its vCPUs may be the one with which it goes over.
      assertTrue(used <= most + units.size() * MS, "cap " + caps.get(domid) + ", used " + used);
    });
  }

  @Property(tries = TRIES, seed = SEED, edgeCases = EdgeCasesMode.NONE)
  @Needs(Claim.WEIGHTS)
  void sharesOfOneCpuAreInProportionToWeights(
      @ForAll @Size(min = 2, max = 8) List<@IntRange(min = 64, max = 1024) Integer> weights) {
    Simulator simulator = simulator(1);
    List<SimUnit> units = new ArrayList<>();
    for (int i = 0; i < weights.size(); i++) {
      units.add(simulator.add(i, weights.get(i), Workload.cpuBound()));
    }
    simulator.run(SECOND);
    long[] before = units.stream().mapToLong(simulator::runNanos).toArray();
    simulator.run(5 * SECOND);
    double sum = weights.stream().mapToInt(Integer::intValue).sum();
    for (int i = 0; i < before.length; i++) {
      double share = (simulator.runNanos(units.get(i)) - before[i]) / (5.0 * SECOND);
      // A slice more or less, which for a small share is more than what is tolerated of it.
      assertEquals(
          weights.get(i) / sum, share, shareTolerance() * weights.get(i) / sum + 0.007, "" + i);
    }
  }

  @Test
  @Needs(Claim.WEIGHTS)
  void sharesOfSeveralPcpusAreInProportionToWeights() {
    for (int pcpus : new int[] {2, 4, 8}) {
      Simulator simulator = simulator(pcpus);
      List<SimUnit> units = new ArrayList<>();
      long sum = 0;
      for (int i = 0; i < 4 * pcpus; i++) {
        int weight = 64 << i % 5;
        sum += weight;
        units.add(simulator.add(i, weight, Workload.cpuBound()));
      }
      simulator.run(SECOND);
      long[] before = units.stream().mapToLong(simulator::runNanos).toArray();
      simulator.run(10 * SECOND);
      for (int i = 0; i < before.length; i++) {
        double due = (double) units.get(i).weight() * pcpus / sum; // less than a whole pCPU
        double share = (simulator.runNanos(units.get(i)) - before[i]) / (10.0 * SECOND);
        assertEquals(due, share, shareTolerance() * due + 0.007, units.get(i)::label);
      }
    }
  }

  @Provide
  Arbitrary<History> histories() {
    return Histories.arbitrary();
  }

  @Test
  @Needs(Claim.WORK_CONSERVING)
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
  @Needs(Claim.WORK_CONSERVING)
  void whoComesOffAndLosesItsPcpuToOneThatHasJustWokenGetsAnother() {
    Simulator simulator = simulator(2);
    SimUnit busy = simulator.add(1, 256, Workload.cpuBound());
    SimUnit pinned = simulator.add(2, 256, Workload.cpuBound());
    for (int round = 0; round < 20; round++) {
      simulator.pause(pinned);
      simulator.run(SECOND);
      CpuMask there = CpuMask.of(busy.runningOn());
      simulator.adjust(pinned, pinned.weight(), pinned.cap(), there);
      simulator.resumeBetweenPutAndPick(pinned);
      simulator.run(2 * SECOND); // nobody waits while a pCPU idles: that is looked at all the time
    }
    assertEquals(simulator.nowNanos(), simulator.runNanos(busy));
  }

  @Test
  @Needs(Claim.WORK_CONSERVING)
  void aUnitAloneGetsAllItWants() {
    Simulator simulator = simulator(1);
    SimUnit unit = simulator.add(1, 1, Workload.cpuBound());
    simulator.run(SECOND);
    assertEquals(SECOND, simulator.runNanos(unit));
  }

  @Test
  @Needs(Claim.SHARES_PCPUS)
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
  @Needs(Claim.EQUAL_SHARES)
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
  @Needs(Claim.EQUAL_SHARES)
  void twoUnitsOnOneCpuShareByWeightOrEqually() {
    for (int heavy : new int[] {256, 512, 1_024, 2_560}) {
      Simulator simulator = simulator(1);
      SimUnit light = simulator.add(1, 256, Workload.cpuBound());
      SimUnit other = simulator.add(2, heavy, Workload.cpuBound());
      simulator.run(SECOND / 2); // the first to come has had the pCPU to itself
      long before = simulator.runNanos(light);
      simulator.run(2 * SECOND);
      double share = claims().contains(Claim.WEIGHTS) ? 256.0 / (256 + heavy) : 0.5;
      double was = (simulator.runNanos(light) - before) / (2.0 * SECOND);
      assertEquals(share, was, share * shareTolerance(), () -> "weights 256 : " + heavy);
      assertEquals(simulator.nowNanos(), simulator.runNanos(light) + simulator.runNanos(other));
    }
  }

  @Test
  @Needs(Claim.WEIGHTS)
  void whatAHeavyUnitCannotUseGoesToTheOthersByWeight() {
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
  @Needs(Claim.WEIGHTS)
  void sharesSettleAgainWithinASecondAfterOneComesBack() {
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
  @Needs(Claim.EQUAL_SHARES)
  void sharesSurviveFrequentSwapsToItself() {
    Simulator simulator = simulator(1);
    SimUnit light = simulator.add(1, 256, Workload.cpuBound());
    SimUnit heavy = simulator.add(2, 512, Workload.cpuBound());
    SplittableRandom random = new SplittableRandom(7);
    while (simulator.nowNanos() < 5 * SECOND) {
      simulator.run(random.nextLong(MS, 20 * MS));
      simulator.swap(factory(), parameters(simulator.pcpus()));
    }
    double total = simulator.nowNanos();
    double share = claims().contains(Claim.WEIGHTS) ? 1 / 3.0 : 0.5;
    assertEquals(share, simulator.runNanos(light) / total, 0.05);
    assertEquals(1 - share, simulator.runNanos(heavy) / total, 0.05);
  }

  // ------------------------------------------------------------------ caps

  @Test
  @Needs(Claim.CAPS)
  void aCapHoldsOnAnIdlePool() {
    for (int cap : new int[] {1, 10, 50, 90}) {
      Simulator simulator = simulator(2);
      SimUnit unit = simulator.add(1, 0, 256, cap, CpuMask.ALL, Workload.cpuBound());
      simulator.run(10 * SECOND);
      expectShare(simulator, unit, 10 * SECOND, cap / 100.0);
    }
  }

  @Test
  @Needs(Claim.CAPS)
  void aCapIsTheDomainsAndNotEachVcpus() {
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
    DecisionLoop loop = new DecisionLoop(factory(), parameters(1), 64);
    loop.run(200_000); // compiled by then
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int decisions = 100_000;
    long before = threads.getCurrentThreadAllocatedBytes();
    loop.run(decisions);
    long bytes = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(bytes < decisions, "bytes=%d decisions=%d".formatted(bytes, decisions));
  }

  // ------------------------------------------------------------------

  private Simulator simulator(int pcpus) {
    Simulator simulator = new Simulator(pcpus, factory(), parameters(pcpus));
    return claims().contains(Claim.WORK_CONSERVING)
        ? simulator.checkingWorkConservation()
        : simulator;
  }

  private void expectShare(Simulator simulator, SimUnit unit, long outOfNanos, double expected) {
    double share = simulator.runNanos(unit) / (double) outOfNanos;
    assertEquals(expected, share, expected * shareTolerance(), unit::label);
  }

  /** Runs on for a while, and sees to it that nobody was left waiting. */
  public static void expectNobodyIsNeglectedIn(Simulator simulator) {
    simulator.run(3 * SECOND);
    for (SimUnit unit : simulator.units()) {
      long neglected = simulator.longestNeglectNanos(unit);
      assertTrue(
          neglected <= History.starvationNanos(simulator, unit),
          () -> unit + " waited for " + neglected / MS + " ms");
    }
  }
}
