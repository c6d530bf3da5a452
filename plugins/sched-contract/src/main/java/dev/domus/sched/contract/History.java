package dev.domus.sched.contract;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * What happens to a pool: domains come and go, are paused and adjusted, while their vCPUs compute,
 * sleep and yield. Made by {@link Histories}; a failing one is shrunk by jqwik to a small one.
 *
 * @param pcpus how many the pool has
 * @param domains those that are there from the start
 * @param steps what operators do, in order
 */
public record History(int pcpus, List<Dom> domains, List<Step> steps) {
  /** What vCPUs do with their time. */
  public enum Habit {
    /** Never sleeps. */
    COMPUTES,
    /** 0.2 ms of work, 2 ms of sleep, on average. */
    WAITS,
    /** 20 ms of work, 5 ms of sleep, on average. */
    BURSTS,
    /** Yields half of the time. */
    YIELDS;

    Workload workload(long seed) {
      return switch (this) {
        case COMPUTES -> Workload.cpuBound();
        case WAITS -> Workload.random(seed, 200_000, 2_000_000);
        case BURSTS -> Workload.random(seed, 20_000_000, 5_000_000);
        case YIELDS -> Workload.random(seed, 50_000, 1);
      };
    }
  }

  /**
   * A domain.
   *
   * @param hard pCPUs that its vCPUs may use, modulo the pool's number; empty for all
   * @param soft those that they had better use
   * @param vcpus one habit a vCPU
   */
  public record Dom(
      int weight, int cap, Set<Integer> hard, Set<Integer> soft, List<Habit> vcpus, long seed) {}

  /** What an operator does. */
  public enum Act {
    /** Starts a domain. */
    CREATE,
    /** Ends a vCPU, unless it is the last. */
    REMOVE,
    /** Pauses one. */
    PAUSE,
    /** Lets the one go on that was paused last. */
    RESUME,
    /** Gives one another weight and affinity. */
    ADJUST,
    /** Nothing: only time passes. */
    WATCH
  }

  /**
   * A step.
   *
   * @param afterNanos how long after the one before
   * @param which which vCPU, modulo their number
   * @param dom what is created, or from which an adjustment is taken
   */
  public record Step(long afterNanos, Act act, int which, Dom dom) {}

  /** Plays it, and resumes at the end whoever is still paused. */
  public void play(Simulator simulator) {
    play(simulator, step -> {});
  }

  /**
   * Plays it.
   *
   * @param between is called after each step, with its number
   */
  public void play(Simulator simulator, Consumer<Integer> between) {
    List<SimUnit> paused = new ArrayList<>();
    int nextDomid = 1;
    for (Dom dom : domains) {
      create(simulator, nextDomid++, dom);
    }
    for (int i = 0; i < steps.size(); i++) {
      Step step = steps.get(i);
      simulator.run(step.afterNanos);
      List<SimUnit> units = simulator.units();
      SimUnit unit = units.get(step.which % units.size());
      switch (step.act) {
        case CREATE -> create(simulator, nextDomid++, step.dom);
        case REMOVE -> {
          if (units.size() > 1) {
            paused.remove(unit);
            simulator.remove(unit);
          }
        }
        case PAUSE -> {
          if (!paused.contains(unit)) {
            paused.add(unit);
            simulator.pause(unit);
          }
        }
        case RESUME -> {
          if (!paused.isEmpty()) {
            simulator.resume(paused.removeLast());
          }
        }
        case ADJUST -> {
          CpuMask hard = mask(step.dom.hard, simulator.pcpus());
          simulator.adjust(unit, step.dom.weight, unit.cap(), hard);
        }
        case WATCH -> {}
      }
      between.accept(i);
    }
    while (!paused.isEmpty()) {
      simulator.resume(paused.removeLast());
    }
  }

  private static void create(Simulator simulator, int domid, Dom dom) {
    CpuMask hard = mask(dom.hard, simulator.pcpus());
    for (int vcpu = 0; vcpu < dom.vcpus.size(); vcpu++) {
      Workload workload = dom.vcpus.get(vcpu).workload(dom.seed + vcpu);
      SimUnit unit = simulator.add(domid, vcpu, dom.weight, dom.cap, hard, workload);
      simulator.prefer(unit, mask(dom.soft, simulator.pcpus()));
    }
  }

  private static CpuMask mask(Set<Integer> numbers, int pcpus) {
    return numbers.isEmpty()
        ? CpuMask.ALL
        : CpuMask.of(numbers.stream().flatMapToInt(n -> IntStream.of(n % pcpus)).toArray());
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
