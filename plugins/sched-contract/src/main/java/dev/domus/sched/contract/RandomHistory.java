package dev.domus.sched.contract;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random pools, units, workloads and operators, all from one seed: domains come and go, are paused
 * and adjusted, while their vCPUs compute, sleep and yield.
 */
final class RandomHistory {
  private static final int[] WEIGHTS = {1, 64, 256, 256, 512, 1024, 65_535};
  private static final int[] CAPS = {0, 0, 0, 5, 50, 150};

  private final SplittableRandom random;
  private final List<SimUnit> paused = new ArrayList<>();
  private int nextDomid = 1;

  RandomHistory(long seed) {
    random = new SplittableRandom(seed);
  }

  /** How many pCPUs the pool should have. */
  int pcpus() {
    return random.nextInt(1, 9);
  }

  void populate(Simulator simulator) {
    for (int n = random.nextInt(1, 30); n > 0; n--) {
      addDomain(simulator);
    }
  }

  /** Lets some time pass, then does something to the pool. */
  void step(Simulator simulator) {
    simulator.run(random.nextLong(40_000_000));
    List<SimUnit> units = simulator.units();
    SimUnit unit = units.get(random.nextInt(units.size()));
    switch (random.nextInt(6)) {
      case 0 -> addDomain(simulator);
      case 1 -> {
        if (units.size() > 1) {
          paused.remove(unit);
          simulator.remove(unit);
        }
      }
      case 2 -> {
        if (!paused.contains(unit)) {
          paused.add(unit);
          simulator.pause(unit);
        }
      }
      case 3 -> simulator.adjust(unit, weight(), unit.cap(), affinity(simulator.pcpus()));
      default -> resumeOne(simulator);
    }
  }

  void resumeAll(Simulator simulator) {
    while (!paused.isEmpty()) {
      resumeOne(simulator);
    }
  }

  private void resumeOne(Simulator simulator) {
    if (!paused.isEmpty()) {
      simulator.resume(paused.removeLast());
    }
  }

  private void addDomain(Simulator simulator) {
    int domid = nextDomid++;
    int weight = weight();
    int cap = CAPS[random.nextInt(CAPS.length)];
    for (int vcpu = random.nextInt(3); vcpu >= 0; vcpu--) {
      simulator.add(domid, vcpu, weight, cap, affinity(simulator.pcpus()), workload());
    }
  }

  private int weight() {
    return WEIGHTS[random.nextInt(WEIGHTS.length)];
  }

  private CpuMask affinity(int pcpus) {
    return random.nextInt(4) > 0
        ? CpuMask.ALL
        : CpuMask.of(random.nextInt(pcpus), random.nextInt(pcpus));
  }

  private Workload workload() {
    long seed = random.nextLong();
    return switch (random.nextInt(5)) {
      case 0, 1 -> Workload.cpuBound();
      case 2 -> Workload.random(seed, 200_000, 2_000_000);
      case 3 -> Workload.random(seed, 20_000_000, 5_000_000);
      default -> Workload.random(seed, 50_000, 1); // yields half of the time
    };
  }

  /**
   * The longest that a unit may wait while all others want a pCPU too: what the kernel's watchdog
   * would call starving, as pCPU time given to others.
   */
  static long starvationNanos(Simulator simulator, SimUnit unit) {
    long weights = 0;
    for (SimUnit other : simulator.units()) {
      weights += other.weight();
    }
    long limit = 250_000_000L * (simulator.units().size() + weights / unit.weight());
    boolean capped = unit.cap() != SchedUnit.NO_CAP && unit.cap() < 100;
    return capped ? limit * 100 / unit.cap() : limit;
  }
}
