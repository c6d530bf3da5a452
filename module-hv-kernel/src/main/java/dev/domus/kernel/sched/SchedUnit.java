package dev.domus.kernel.sched;

/**
 * What is scheduled: a vCPU, or in a pool of cores several of a domain, which have a core together
 * or not at all ({@link #vcpus}). Whichever it is, to a scheduler it is one: what it calls a pCPU
 * is then a core, what a unit ran is the time for which it had one, and a cap of 100 % is all of a
 * core.
 *
 * <p>Seen through the generic record that the kernel keeps of it. It outlives every scheduler that
 * handles it, so all that a swap hands over is here.
 *
 * <p>Getters are cheap and may be called in any call of the kernel into the scheduler; the setters
 * only there.
 */
public interface SchedUnit {
  /** Weight of a unit for which nobody has said anything, as in Xen. */
  int DEFAULT_WEIGHT = 256;

  /** The largest weight; the smallest is 1. */
  int MAX_WEIGHT = 65_535;

  /** Cap of a unit that may use all it can get. */
  int NO_CAP = 0;

  /** The domain's id. */
  int domid();

  /** The vCPU's number in its domain; the first one's, if it is several. */
  int vcpu();

  /** How many vCPUs it is: consecutive ones of one domain, awake or not. */
  default int vcpus() {
    return 1;
  }

  /** For messages: {@code d3v0}. */
  String label();

  /**
   * The weight of each of the domain's vCPUs against others in the pool, 1 … {@link #MAX_WEIGHT}.
   */
  int weight();

  /**
   * How much pCPU time the domain's vCPUs may use together, in percent of one pCPU: 50 is half a
   * pCPU, 200 two; {@link #NO_CAP} is no limit. The same in all units of a domain.
   */
  int cap();

  /** The pCPUs it may run on (hard affinity). Contains at least one of the pool's. */
  CpuMask affinity();

  /**
   * The pCPUs that it had better run on (soft affinity). A hint: where it excludes all that {@link
   * #affinity} allows, it means nothing.
   */
  CpuMask softAffinity();

  /**
   * The values of a scheduler's {@link SchedulerFactory#unitParameters}: what users gave for it,
   * else the defaults. Allocates; for {@code insert} and {@code adjust}, which follows each change.
   *
   * @param scheduler the scheduler that asks, for its own
   */
  SchedParameters parameters(SchedulerFactory scheduler);

  /**
   * CPU time it had in its whole life, up to its last {@link Scheduler#put}: without what the host
   * took from the pCPU meanwhile. (The run state that guests see is in wall time.)
   */
  long runNanos();

  /** Whether it wants a pCPU: waiting or running. */
  boolean runnable();

  /** The pCPU that runs it, or -1. */
  int runningOn();

  /** The pCPU that ran it last, or -1 if none has. */
  int lastPcpu();

  /**
   * The standing that the previous scheduler left: pCPU time the unit is owed (positive) or has had
   * too much (negative), against its fair share; 0 if it kept no account.
   */
  long standingNanos();

  /** Leaves a standing for the next scheduler; for {@link Scheduler#export}. */
  void standingNanos(long nanos);

  /**
   * Says how long the unit may wait for a pCPU by what its operator wants: a reservation that is
   * used up until its next period, a window of a frame table, a place in a queue for pCPUs of which
   * there are none free. By that much the kernel's watchdog is more patient with it. Stays until it
   * is said anew; 0 when the unit is inserted. It does not allow a scheduler anything: a unit is
   * owed a pCPU in this time all the same. Where it becomes less, the wait counts from then. May be
   * called in any call of the kernel into the scheduler; costs a store.
   *
   * @param nanos in the pool's time, 0 or more; {@link Long#MAX_VALUE} for as long as it stays so
   */
  void mayWaitNanos(long nanos);

  /** What the scheduler attached; null if nothing since the unit was inserted. */
  Object data();

  /** Attaches the scheduler's own record. The kernel clears the slot at a swap. */
  void data(Object data);
}
