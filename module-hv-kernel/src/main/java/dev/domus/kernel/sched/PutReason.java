package dev.domus.kernel.sched;

/** Why a unit came off its pCPU. */
public enum PutReason {
  /** Its slice is over. Still runnable. */
  EXPIRED,

  /** The pCPU was tickled, or the pool stopped for a swap. Still runnable, with slice left. */
  PREEMPTED,

  /** The guest gave the pCPU up (SCHEDOP_yield). Still runnable. */
  YIELDED,

  /** It blocked, was paused or went offline. Asleep until the next {@link Scheduler#wake}. */
  SLEPT
}
