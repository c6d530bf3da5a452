package dev.domus.sched.nullsched;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.contract.Claim;
import dev.domus.sched.contract.SchedulerContract;
import dev.domus.sched.contract.SimUnit;
import dev.domus.sched.contract.Simulator;
import dev.domus.sched.contract.Workload;
import java.util.Set;
import org.junit.jupiter.api.Test;

class NullContractTest extends SchedulerContract {
  private static final long SECOND = 1_000_000_000;

  @Override
  protected SchedulerFactory factory() {
    return new NullFactory();
  }

  @Override
  protected Set<Claim> claims() {
    return Set.of();
  }

  private static SimUnit busy(Simulator simulator, int domid, CpuMask affinity) {
    return simulator.add(domid, 0, 256, 0, affinity, Workload.cpuBound());
  }

  @Test
  void eachHasACpuOfItsOwnAndTheNextOneWaitsUntilOneGoes() {
    Simulator simulator = new Simulator(2, factory());
    SimUnit one = busy(simulator, 1, CpuMask.ALL);
    SimUnit two = simulator.add(2, 256, Workload.periodic(1_000, 1_000_000_000));
    SimUnit three = busy(simulator, 3, CpuMask.ALL);
    simulator.run(SECOND);
    assertEquals(SECOND, simulator.runNanos(one));
    assertEquals(0, simulator.runNanos(three), "though the second sleeps, its pCPU is its own");
    simulator.remove(two);
    simulator.run(SECOND);
    assertEquals(2 * SECOND, simulator.runNanos(one));
    assertEquals(SECOND, simulator.runNanos(three));
  }

  @Test
  void aCpuThatBecomesFreeGoesToTheFirstThatMayUseIt() {
    Simulator simulator = new Simulator(2, factory());
    SimUnit one = busy(simulator, 1, CpuMask.of(0));
    busy(simulator, 2, CpuMask.of(1));
    SimUnit three = busy(simulator, 3, CpuMask.of(1));
    SimUnit four = busy(simulator, 4, CpuMask.of(0));
    simulator.run(SECOND);
    simulator.remove(one);
    simulator.run(SECOND);
    assertEquals(0, simulator.runNanos(three));
    assertEquals(SECOND, simulator.runNanos(four));
  }

  @Test
  void aUnitThatMayNoLongerUseItsCpuGoesElsewhere() {
    Simulator simulator = new Simulator(2, factory());
    SimUnit one = busy(simulator, 1, CpuMask.of(0));
    SimUnit two = busy(simulator, 2, CpuMask.of(0));
    simulator.run(SECOND);
    assertEquals(0, simulator.runNanos(two));
    simulator.adjust(one, 256, 0, CpuMask.of(1));
    simulator.run(SECOND);
    assertEquals(2 * SECOND, simulator.runNanos(one));
    assertEquals(SECOND, simulator.runNanos(two));
  }
}
