package dev.domus.sched.cross;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Histories;
import dev.domus.sched.contract.History;
import dev.domus.sched.contract.SchedulerContract;
import dev.domus.sched.contract.SimUnit;
import dev.domus.sched.contract.Simulator;
import dev.domus.sched.contract.Workload;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.sessions.JqwikSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every scheduler hands over to every other one, and takes over from it, in virtual time. */
class HandoverTest {
  private static final long MS = 1_000_000;
  private static final long SECOND = 1_000_000_000;
  private static final int HISTORIES = 6;
  private static final List<String> BY_WEIGHT = List.of("credit", "credit2", "eevdf");

  static Stream<Arguments> pairs() {
    return pairsOf(Schedulers.all().stream().map(SchedulerFactory::name).toList());
  }

  static Stream<Arguments> pairsByWeight() {
    return pairsOf(BY_WEIGHT);
  }

  private static Stream<Arguments> pairsOf(List<String> names) {
    return names.stream().flatMap(from -> names.stream().map(to -> Arguments.of(from, to)));
  }

  @Test
  void allAreHere() {
    assertEquals(
        List.of("arinc653", "chaos", "credit", "credit2", "eevdf", "null", "rr", "rtds"),
        Schedulers.all().stream().map(SchedulerFactory::name).toList());
  }

  @ParameterizedTest(name = "{0} and {1}")
  @MethodSource("pairs")
  void randomHistoriesBreakNoRuleAcrossSwaps(String from, String to) {
    SchedulerFactory one = Schedulers.named(from);
    SchedulerFactory other = Schedulers.named(to);
    JqwikSession.run(() -> {
      Arbitrary<History> histories = Histories.arbitrary();
      for (int seed = 0; seed < HISTORIES; seed++) {
        History history = histories.generator(1_000).next(new Random(seed)).value();
        int pcpus = history.pcpus();
        SplittableRandom random = new SplittableRandom(seed);
        Simulator simulator = new Simulator(pcpus, one, Schedulers.parameters(one, pcpus));
        history.play(
            simulator,
            step -> {
              if (random.nextInt(3) == 0) {
                SchedulerFactory next = random.nextBoolean() ? one : other;
                simulator.swap(next, Schedulers.parameters(next, pcpus));
              }
            });
        simulator.swap(other, Schedulers.parameters(other, pcpus));
        SchedulerContract.expectNobodyIsNeglectedIn(simulator);
      }
    });
  }

  @ParameterizedTest(name = "{0} and {1}")
  @MethodSource("pairsByWeight")
  void sharesSurviveFrequentSwaps(String from, String to) {
    SchedulerFactory one = Schedulers.named(from);
    SchedulerFactory other = Schedulers.named(to);
    Simulator simulator = new Simulator(1, one);
    SimUnit light = simulator.add(1, SchedUnit.DEFAULT_WEIGHT, Workload.cpuBound());
    SimUnit heavy = simulator.add(2, 2 * SchedUnit.DEFAULT_WEIGHT, Workload.cpuBound());
    SplittableRandom random = new SplittableRandom(7);
    for (boolean first = false; simulator.nowNanos() < 10 * SECOND; first = !first) {
      simulator.run(random.nextLong(5 * MS, 40 * MS));
      simulator.swap(first ? one : other);
    }
    double total = simulator.nowNanos();
    assertEquals(1 / 3.0, simulator.runNanos(light) / total, 0.05);
    assertEquals(2 / 3.0, simulator.runNanos(heavy) / total, 0.05);
  }

  @ParameterizedTest(name = "{0} and {1}")
  @MethodSource("pairs")
  void whatOneNeverServesTheNextOneServes(String from, String to) {
    SchedulerFactory one = Schedulers.named(from);
    SchedulerFactory other = Schedulers.named(to);
    Simulator simulator = new Simulator(2, one, Schedulers.parameters(one, 2));
    for (int domid = 0; domid < Schedulers.DOMAINS_IN_TABLE; domid++) {
      simulator.add(domid, SchedUnit.DEFAULT_WEIGHT, Workload.cpuBound());
    }
    simulator.run(SECOND);
    simulator.swap(other, Schedulers.parameters(other, 2));
    long[] before = simulator.units().stream().mapToLong(simulator::runNanos).toArray();
    simulator.run(3 * SECOND);
    long served = 0;
    for (int i = 0; i < before.length; i++) {
      served += simulator.runNanos(simulator.units().get(i)) > before[i] ? 1 : 0;
    }
    assertEquals(to.equals("null") ? 2 : before.length, served);
    assertTrue(simulator.nowNanos() == 4 * SECOND);
  }
}
