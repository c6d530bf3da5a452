package dev.domus.kernel.sched;

/** What a scheduler sees of its pool. Made by the kernel, or by a simulator. */
public interface SchedPool {
  /** The pool's name, for messages. */
  String name();

  /**
   * How many pCPUs there are: the pool's, or those of the run queue where the factory wants several
   * ({@link SchedulerFactory#runQueueOf}). They are numbered from 0. Constant for one scheduler
   * instance.
   */
  int pcpus();

  /**
   * What the factory made for all run queues of the pool ({@link SchedulerFactory#createShared}).
   * For {@link SchedulerFactory#create}, which keeps it if it needs it.
   */
  default Object shared() {
    return SchedulerFactory.NOTHING_SHARED;
  }

  /**
   * Makes a pCPU decide anew soon: if it idles it wakes up, if it runs a unit, that is preempted.
   * Several tickles before it decides are one. For the pCPU that is calling this costs nothing.
   *
   * @throws IllegalStateException outside a call of the kernel into the scheduler
   */
  void tickle(int pcpu);
}
