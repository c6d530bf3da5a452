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

  /** Whether a unit's affinity allows any of its pCPUs. */
  boolean allows(SchedUnit unit);
}
