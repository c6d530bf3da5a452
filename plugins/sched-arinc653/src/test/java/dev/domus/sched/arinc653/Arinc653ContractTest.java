package dev.domus.sched.arinc653;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import dev.domus.sched.contract.SimUnit;
import dev.domus.sched.contract.Simulator;
import dev.domus.sched.contract.Workload;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class Arinc653ContractTest extends SchedulerContract {
  private static final long MS = 1_000_000;

  @Override
  protected SchedulerFactory factory() {
    return new Arinc653Factory();
  }

  @Override
  protected Set<Claim> claims() {
    return Set.of();
  }

  /** Most of what histories create has a window somewhere, and some has none. */
  @Override
  protected Map<String, String> parameters(int pcpus) {
    StringBuilder table = new StringBuilder();
    for (int pcpu = 0; pcpu < pcpus; pcpu++) {
      table.append(pcpu == 0 ? "" : "/");
      for (int i = 0; i < 10; i++) {
        table.append("d%dv%d:%dus,".formatted(1 + pcpu + pcpus * i, i % 2, 700 + i * 100));
      }
      table.append("idle:2ms");
    }
    return Map.of("schedule", table.toString());
  }

  private static Simulator simulator(int pcpus, String schedule) {
    return new Simulator(pcpus, new Arinc653Factory(), Map.of("schedule", schedule));
  }

  private static SimUnit busy(Simulator simulator, int domid) {
    return simulator.add(domid, 256, Workload.cpuBound());
  }

  @Test
  void eachHasItsWindowsAndWhatOneDoesNotUseNobodyGets() {
    Simulator simulator = simulator(1, "d1v0:10ms,d2v0:5ms,d3v0:5ms,d1v0:5ms,idle:5ms");
    SimUnit one = busy(simulator, 1);
    SimUnit two = simulator.add(2, 256, Workload.periodic(MS, 999 * MS));
    SimUnit four = busy(simulator, 4);
    simulator.run(3_000 * MS);
    assertEquals(1_500 * MS, simulator.runNanos(one));
    assertEquals(3 * MS, simulator.runNanos(two));
    assertEquals(0, simulator.runNanos(four), "it has no window");
    assertEquals(1_497 * MS, simulator.idleNanos());
  }

  @Test
  void aVcpuThatWakesUpInItsWindowRunsAtOnceAndOneThatWakesUpBeforeWaitsForIt() {
    Simulator simulator = simulator(1, "d1v0:10ms,d2v0:10ms");
    SimUnit one = simulator.add(1, 256, Workload.periodic(MS, 4 * MS)); // at 0, 5, then in the next
    SimUnit two = busy(simulator, 2);
    simulator.run(20 * MS);
    assertEquals(2 * MS, simulator.runNanos(one));
    assertEquals(10 * MS, simulator.runNanos(two));
    simulator.run(MS);
    assertEquals(3 * MS, simulator.runNanos(one));
    assertEquals(10 * MS, simulator.longestWaitNanos(one));
  }

  @Test
  void aVcpuMayHaveWindowsOnSeveralCpusOneAfterTheOther() {
    Simulator simulator = simulator(2, "d1v0:10ms,d2v0:10ms / d2v0:10ms,d1v0:10ms");
    SimUnit one = busy(simulator, 1);
    SimUnit two = busy(simulator, 2);
    simulator.run(1_000 * MS);
    assertEquals(1_000 * MS, simulator.runNanos(one));
    assertEquals(1_000 * MS, simulator.runNanos(two));
  }

  @Test
  void affinityIsStrongerThanTheTable() {
    Simulator simulator = simulator(2, "d1v0:10ms,idle:10ms / idle:10ms,d1v0:10ms");
    SimUnit one = simulator.add(1, 0, 256, 0, CpuMask.of(1), Workload.cpuBound());
    simulator.run(1_000 * MS);
    assertEquals(500 * MS, simulator.runNanos(one));
    assertTrue(simulator.longestNeglectNanos(one) == 0);
  }

  @Test
  void withoutATableItRefusesAndTheOneBeforeGoesOn() {
    expectRefusal("", "arinc653 needs a frame table, and none was given");
    expectRefusal("d1v0:10", "window=d1v0:10");
    expectRefusal("d1v0:5us,idle:5ms", "a window must be at least 10 us long: window=d1v0:5us");
    expectRefusal("d1v0:5ms/d2v0:6ms", "row 0 is 5000 us, row 1 is 6000 us");
    expectRefusal("d1v0:61000ms", "must not be longer than 60 s: length=61000 ms");
    expectRefusal(
        "d1v0:5ms,idle:5ms/idle:4ms,d1v0:6ms",
        "must not run a vCPU on two pCPUs at once: vcpu=d1v0 at=4000 us");
    expectRefusal("d1v0:5ms/d2v0:5ms", "pool simulated: rows=2 pcpus=1");
  }

  private static void expectRefusal(String schedule, String words) {
    Simulator simulator = simulator(1, "d1v0:10ms");
    SimUnit one = busy(simulator, 1);
    simulator.run(5 * MS);
    IllegalArgumentException refusal =
        assertThrows(
            IllegalArgumentException.class,
            () -> simulator.swap(new Arinc653Factory(), Map.of("schedule", schedule)));
    assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
    simulator.run(5 * MS);
    assertEquals(10 * MS, simulator.runNanos(one));
  }
}
