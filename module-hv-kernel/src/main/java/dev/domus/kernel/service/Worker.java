package dev.domus.kernel.service;

import java.util.concurrent.Executor;

/**
 * Where a service's work is done: tasks, one after another, in the order in which they were given.
 * Made by {@link ServiceDomain#worker}.
 *
 * <p>It stands for a thread, and on most machines is one. On a deterministic machine all workers'
 * tasks are done by one thread in the order in which they were given, while the guests stand still;
 * so a service that does all of its work by workers is a service that such a machine can have
 * ({@code Service.repeatable}). A task must not wait for another of the domain's.
 *
 * <p>Thread-safe.
 */
public interface Worker extends Executor, AutoCloseable {
  /** Adds a task. What it throws is logged, and the next one is done. Ignored after the end. */
  @Override
  void execute(Runnable task);

  /**
   * Has a task done when its turn comes, and returns then. From a task of any worker of a
   * deterministic machine it is done at once, before what others have given this worker.
   */
  void call(Runnable task);

  /** Ends the worker: a task under way is waited for, unless it calls this; others are dropped. */
  @Override
  void close();
}
