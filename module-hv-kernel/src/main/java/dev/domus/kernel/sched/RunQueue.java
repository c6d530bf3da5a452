package dev.domus.kernel.sched;

/**
 * Another run queue of the pool, seen by a scheduler that may give it a unit ({@link
 * Scheduler#offer}).
 */
public interface RunQueue {
  /** How many pCPUs it has. */
  int pcpus();

  /** What its scheduler last said to {@link Scheduler#load}. */
  long load();

  /** Whether one of its pCPUs has nothing to run; as of late, for it is not locked. */
  boolean idles();

  /** Whether a unit's affinity allows any of its pCPUs. */
  boolean allows(SchedUnit unit);
}
