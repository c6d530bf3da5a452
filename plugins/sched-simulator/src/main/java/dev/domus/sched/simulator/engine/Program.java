package dev.domus.sched.simulator.engine;

/**
 * What a simulated vCPU does: computes, blocks, yields, and is woken. One object a vCPU; called by
 * the simulation in the order of virtual time, and by nothing else. No call allocates.
 *
 * <p>A vCPU is blocked before {@link #start}. {@link Vcpu#compute} followed by {@link Vcpu#wake}
 * gives it something to do.
 */
public interface Program {
  /** CPU time that is never had: for one that never stops computing. */
  long ENDLESS = Long.MAX_VALUE / 4;

  /** The simulation begins. */
  void start(long nowNanos);

  /** The time that was given to {@link Vcpu#setTimer} has come. The vCPU may be in any state. */
  default void timer(long nowNanos) {}

  /**
   * The CPU time that {@link Vcpu#compute} asked for has been had, and the vCPU is on its pCPU.
   * Says what comes next by one of {@link Vcpu#compute}, {@link Vcpu#block} and {@link
   * Vcpu#yieldThenCompute}.
   */
  void done(long nowNanos);

  /** The simulation is over: what is unfinished may be counted now. */
  default void end(long nowNanos) {}
}
