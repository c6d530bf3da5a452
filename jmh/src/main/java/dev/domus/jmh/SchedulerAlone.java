package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.arinc653.Arinc653Factory;
import dev.domus.sched.chaos.ChaosFactory;
import dev.domus.sched.contract.DecisionLoop;
import dev.domus.sched.credit.CreditFactory;
import dev.domus.sched.credit2.Credit2Factory;
import dev.domus.sched.eevdf.EevdfFactory;
import dev.domus.sched.nullsched.NullFactory;
import dev.domus.sched.rr.RoundRobinFactory;
import dev.domus.sched.rtds.RtdsFactory;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a scheduler's own part of a decision costs, against the number of vCPUs that wait: a pick
 * and a put after a slice in virtual time, a third of the units falling asleep, as many waking up.
 * No clock, no lock, no dispatcher; {@link SchedulingDecision} has those. With {@code -prof gc} it
 * shows that nothing is allocated.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(1)
public class SchedulerAlone {
  private static final int DECISIONS = 1_000;

  private static final List<SchedulerFactory> ALL =
      List.of(
          new RoundRobinFactory(),
          new CreditFactory(),
          new Credit2Factory(),
          new EevdfFactory(),
          new RtdsFactory(),
          new NullFactory(),
          new Arinc653Factory(),
          new ChaosFactory());

  /** The scheduler. */
  @Param({"rr", "credit", "credit2", "eevdf", "rtds", "null", "arinc653", "chaos"})
  public String scheduler;

  /** How many units there are. */
  @Param({"1", "100", "1000", "10000"})
  public int units;

  private final ArrayDeque<Object> queue = new ArrayDeque<>();
  private DecisionLoop loop;

  /** A scheduler by its name. */
  static SchedulerFactory named(String name) {
    return ALL.stream().filter(factory -> factory.name().equals(name)).findFirst().orElseThrow();
  }

  /** All awake. */
  @Setup
  public void wakeAll() {
    Map<String, String> parameters =
        scheduler.equals("arinc653")
            ? Map.of("schedule", "d0v0:10ms,d1v0:5ms,d2v0:5ms,d3v0:5ms,idle:5ms")
            : Map.of();
    loop = new DecisionLoop(named(scheduler), parameters, units);
    loop.wakeAll();
    for (int i = 0; i < units; i++) {
      queue.add(new Object());
    }
  }

  /** The lower bound: somebody is taken from a queue, somebody is put into it. */
  @Benchmark
  @OperationsPerInvocation(DECISIONS)
  public Object rotation() {
    ArrayDeque<Object> rotated = queue;
    for (int i = 0; i < DECISIONS; i++) {
      rotated.addLast(rotated.pollFirst());
    }
    return rotated.peekFirst();
  }

  /** One decision. */
  @Benchmark
  @MappingPath(
      value = "scheduler",
      what = "one decision of a scheduler, nothing else",
      floor = "rotation")
  @OperationsPerInvocation(DECISIONS)
  public void decide() {
    loop.run(DECISIONS);
  }
}
