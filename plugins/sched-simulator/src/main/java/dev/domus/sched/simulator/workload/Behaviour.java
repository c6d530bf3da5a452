package dev.domus.sched.simulator.workload;

import dev.domus.sched.simulator.engine.Program;
import dev.domus.sched.simulator.engine.Vcpu;
import java.util.SplittableRandom;

/** What the vCPUs of a workload do. Immutable, and the same for every scheduler. */
public sealed interface Behaviour
    permits CpuBound, IoBound, Periodic, Bursty, Locking, RecordedTrace.Replay {
  /** What one is in a sentence, with its numbers, for the report. */
  String description();

  /**
   * One domain with such vCPUs: what they share.
   *
   * @param domain its number among the workload's domains, from 0
   */
  Guest newGuest(int domain);

  /** Whether its vCPUs take all pCPU time that they can get, so that shares say something. */
  default boolean isHungry() {
    return false;
  }

  /** Whether {@link dev.domus.sched.simulator.engine.Measures#response} is measured. */
  default boolean hasResponse() {
    return true;
  }

  /** Makes the programs of one domain's vCPUs. */
  @FunctionalInterface
  interface Guest {
    /**
     * The program of one vCPU.
     *
     * @param random its own; the same numbers under every scheduler
     */
    Program program(Vcpu vcpu, SplittableRandom random);
  }
}
