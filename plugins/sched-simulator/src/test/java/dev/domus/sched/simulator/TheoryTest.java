package dev.domus.sched.simulator;

import static dev.domus.sched.simulator.Lab.CREDIT;
import static dev.domus.sched.simulator.Lab.EEVDF;
import static dev.domus.sched.simulator.Lab.MS;
import static dev.domus.sched.simulator.Lab.RR;
import static dev.domus.sched.simulator.Lab.SECOND;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.simulator.engine.Costs;
import dev.domus.sched.simulator.engine.Measures;
import dev.domus.sched.simulator.engine.RunRecorder;
import dev.domus.sched.simulator.scenario.Outcome;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What comes out where it can be computed by hand. */
class TheoryTest {
  private static double share(Outcome outcome, int workload) {
    return outcome.workloads().get(workload).meanShare();
  }

  private static Measures measures(Outcome outcome, int workload) {
    return outcome.workloads().get(workload).measures();
  }

  @Test
  void twoThatComputeWithoutEndShareByWeight() throws Exception {
    for (SchedulerFactory fair : List.of(CREDIT, EEVDF)) {
      Outcome outcome = Lab.pool(1, 3).run(fair, "cpu:weight=256", "cpu:weight=512");
      assertEquals(1 / 3.0, share(outcome, 0), 0.01, fair.name());
      assertEquals(2 / 3.0, share(outcome, 1), 0.01, fair.name());
      assertEquals(1 / 3.0, outcome.workloads().get(0).dueShare().orElseThrow(), 1e-9);
      assertTrue(outcome.workloads().get(1).worstError().orElseThrow() < 0.02, fair.name());
    }
    Outcome equal = Lab.pool(1, 3).run(RR, "cpu:weight=256", "cpu:weight=512");
    assertEquals(0.5, share(equal, 0), 0.005);
    assertEquals(0.5, equal.workloads().get(0).meanError().orElseThrow(), 0.02);
  }

  @Test
  void whatAHeavyOneCannotUseIsDueToTheOthersByWeight() throws Exception {
    Outcome outcome =
        Lab.pool(2, 4).run(EEVDF, "cpu:weight=100", "cpu:weight=200", "cpu:weight=900");
    double[] due = {1 / 3.0, 2 / 3.0, 1};
    for (int i = 0; i < due.length; i++) {
      assertEquals(due[i], outcome.workloads().get(i).dueShare().orElseThrow(), 1e-6);
      assertEquals(due[i], share(outcome, i), 0.02);
    }
  }

  @Test
  void aCapBoundsTheShareAndWhatIsDue() throws Exception {
    Outcome outcome = Lab.pool(2, 4).run(CREDIT, "cpu:cap=150,vcpus=3", "cpu:count=2,weight=1");
    assertEquals(0.5, share(outcome, 0), 0.02);
    assertEquals(0.5, outcome.workloads().get(0).dueShare().orElseThrow(), 1e-9);
  }

  /** L. Kleinrock, Queueing Systems I, 3.2: M/M/1 has a response of 1/(μ − λ), exponential. */
  @Test
  void oneServerAloneIsAnMM1Queue() throws Exception {
    Outcome outcome = Lab.pool(1, 200).run(RR, "bursty:every=exp(1ms),work=exp(500us),pause=0s");
    assertEquals(0.5, share(outcome, 0), 0.01);
    assertEquals(1 * MS, measures(outcome, 0).response().getMean(), 0.04 * MS);
    assertEquals(
        Math.log(100) * MS, measures(outcome, 0).response().getValueAtPercentile(99), 0.3 * MS);
  }

  /** Requests are shorter than turns, so round-robin is first come, first served. */
  @Test
  void manyServersUnderRoundRobinAreOneMM1Queue() throws Exception {
    Outcome outcome =
        Lab.pool(1, 100).run(RR, "bursty:count=500,every=exp(500ms),work=exp(500us),pause=0s");
    assertEquals(1 * MS, measures(outcome, 0).response().getMean(), 0.06 * MS);
    assertEquals(0.5 * MS, measures(outcome, 0).wakeLatency().getMean(), 0.05 * MS);
  }

  /** C. L. Liu, J. W. Layland, 1973: EDF keeps all deadlines up to a utilization of 1. */
  @Test
  void earliestDeadlineFirstMissesNothingUpToAFullPcpuAndFixedPrioritiesDo() throws Exception {
    String[] tasks = {
      "rt:period=5ms,work=2ms,phase=none,%s.period=5000",
      "rt:period=7ms,work=3.99ms,phase=none,%s.period=7000"
    };
    SchedulerFactory edf = EarliestDeadlineFirst.edf();
    Outcome kept = Lab.pool(1, 7).run(edf, tasks[0].formatted("edf"), tasks[1].formatted("edf"));
    assertEquals(2_400, kept.sum(Measures::deadlines), 2);
    assertEquals(0, kept.sum(Measures::misses));
    SchedulerFactory rm = EarliestDeadlineFirst.rateMonotonic();
    Outcome missed = Lab.pool(1, 7).run(rm, tasks[0].formatted("rm"), tasks[1].formatted("rm"));
    assertTrue(missed.sum(Measures::misses) > 0);
    assertEquals(0, measures(missed, 0).misses());
  }

  @Test
  void beyondAFullPcpuDeadlinesAreMissedAndTheUnfinishedCount() throws Exception {
    Outcome outcome =
        Lab.pool(1, 4).run(EarliestDeadlineFirst.edf(), "rt:count=3,period=10ms,work=4ms");
    assertTrue(outcome.sum(Measures::misses) > outcome.sum(Measures::deadlines) / 2);
    // Nobody's release is forgotten: three a period, of which 5 in 6 are done.
    assertEquals(1_250, outcome.sum(Measures::jobs) * 1.25, 40);
  }

  @Test
  void aWakeUpOnAnIdlePcpuTakesAnInterrupt() throws Exception {
    Outcome outcome =
        Lab.pool(1, 1).costing(new Costs(3_000, 0, 2_000)).run(RR, "io:work=100us,wait=1ms");
    assertEquals(2_000, measures(outcome, 0).wakeLatency().getMinValue());
    assertEquals(2_000, measures(outcome, 0).wakeLatency().getMaxValue(), 2);
    assertEquals(SECOND / 1_102_000, measures(outcome, 0).jobs(), 1);
  }

  @Test
  void switchesTakeTheirTimeFromThePcpuAndFromNobodysSlice() throws Exception {
    Outcome outcome = Lab.pool(1, 11).costing(new Costs(MS, 0, 0)).run(RR, "cpu:count=2");
    assertEquals(10 / 11.0, outcome.usedPcpus(), 0.002);
    assertEquals(SECOND, outcome.overheadNanos(), 3 * MS);
    assertEquals(1_000, outcome.sum(Measures::switches), 3);
  }

  @Test
  void aMigrationMakesWorkLonger() throws Exception {
    // Three on two pCPUs under rr: each turn is on the pCPU that comes free first.
    String[] workloads = {"io:count=3,work=40ms,wait=1ns"};
    Lab lab = Lab.pool(2, 10);
    Outcome free = lab.run(RR, workloads);
    Outcome dear = lab.costing(new Costs(0, 5 * MS, 0)).run(RR, workloads);
    assertTrue(free.sum(Measures::migrations) > 0);
    assertEquals(2, dear.usedPcpus(), 0.01);
    double lost =
        dear.sum(Measures::migrations) * 5.0 * MS / (40.0 * MS); // jobs' worth of cold caches
    assertEquals(500, dear.sum(Measures::jobs) + lost, 5);
  }

  @Test
  void runQueuesOfOnePcpuEachConserveWorkAndEvenOut() throws Exception {
    Outcome outcome =
        Lab.pool(4, 4)
            .run(
                Lab.contender(EEVDF, Map.of("run-queues", "pcpu")),
                RunRecorder.NONE,
                "cpu:count=12",
                "io:count=4,work=1ms,wait=5ms");
    assertTrue(outcome.fault().isEmpty());
    assertEquals(4, outcome.usedPcpus(), 0.01);
    assertTrue(outcome.workloads().get(0).worstError().orElseThrow() < 0.25);
  }

  @Test
  void affinityIsKept() throws Exception {
    Outcome outcome =
        Lab.pool(4, 2).run(CREDIT, "cpu:count=2,affinity=3", "cpu:count=3,affinity=0-2");
    assertEquals(0.5, share(outcome, 0), 0.01);
    assertEquals(1, share(outcome, 1), 0.01);
    assertEquals(0.5, outcome.workloads().get(0).dueShare().orElseThrow(), 1e-9);
  }

  @Test
  void anUncontendedLockCostsWhatItTakesAndAContendedOneMore() throws Exception {
    Outcome alone = Lab.pool(4, 1).run(RR, "lock:vcpus=1,think=90us,hold=10us");
    assertEquals(10_000, measures(alone, 0).response().getMean(), 10);
    assertEquals(0, measures(alone, 0).spunNanos());
    assertEquals(10_000, measures(alone, 0).jobs(), 2);
    // Four that each want the lock for a quarter of the time: it is nearly always taken.
    Outcome four = Lab.pool(4, 1).run(RR, "lock:think=exp(30us),hold=exp(10us),waiting=spin");
    double perSecond = measures(four, 0).jobs();
    assertTrue(perSecond < 100_000, "the lock is held by one at a time: " + perSecond);
    // Machine repairman with four: it is held 1 - p0 = 0.794 of the time (D. Gross, C. Harris,
    // Queueing Theory, 2.7).
    double p0 = 1 / (1 + 4 * r(1) + 12 * r(2) + 24 * r(3) + 24 * r(4));
    assertEquals((1 - p0) * 100_000, perSecond, 1_500);
  }

  private static double r(int power) {
    return Math.pow(10.0 / 30, power);
  }

  @Test
  void aHolderThatIsPreemptedMakesSpinnersSpin() throws Exception {
    String lock = "lock:think=50us,hold=50us,waiting=%s";
    Outcome spin = Lab.pool(2, 2).run(RR, lock.formatted("spin"), "cpu:count=2");
    Outcome block = Lab.pool(2, 2).run(RR, lock.formatted("block"), "cpu:count=2");
    assertTrue(spin.workloads().get(0).spunPart() > 0.5);
    assertTrue(block.workloads().get(0).spunPart() < spin.workloads().get(0).spunPart());
  }
}
