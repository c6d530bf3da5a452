package dev.domus.kernel.sched;

/** What a scheduler sees of its pool. Made by the kernel, or by a simulator. */
public interface SchedPool {
  /** The pool's name, for messages. */
  String name();

  /** How many pCPUs the pool has; they are numbered from 0. Constant for one scheduler instance. */
  int pcpus();

  /**
   * Makes a pCPU decide anew soon: if it idles it wakes up, if it runs a unit, that is preempted.
   * Several tickles before it decides are one. For the pCPU that is calling this costs nothing.
   *
   * @throws IllegalStateException outside a call of the kernel into the scheduler
   */
  void tickle(int pcpu);
}
