package dev.domus.kernel.sched;

import java.util.List;
import org.pf4j.ExtensionPoint;

/**
 * Extension point: a kind of scheduler. A plugin provides it in its module descriptor ({@code
 * provides dev.domus.kernel.sched.SchedulerFactory with …}); it is made once a process by its
 * public no-argument constructor, and makes one {@link Scheduler} per pool and swap.
 */
public interface SchedulerFactory extends ExtensionPoint {
  /**
   * The name by which {@code --scheduler} and configuration files choose it: lower case, no blanks.
   */
  String name();

  /** One line for listings. */
  String description();

  /**
   * The parameters that a pool can set. Command line, {@code --json} and documentation are made
   * from this.
   */
  List<SchedParameter> parameters();

  /**
   * The parameters that each unit can be given, beside weight, cap and affinity; a scheduler reads
   * them by {@link SchedUnit#parameters}. The kernel keeps them by the scheduler's name, also while
   * another one runs the pool.
   */
  default List<SchedParameter> unitParameters() {
    return List.of();
  }

  /**
   * Refuses unit parameters that are each in range but make no sense together.
   *
   * @throws IllegalArgumentException with a message for the user
   */
  default void checkUnit(SchedParameters values) {}

  /** What {@link #createShared} makes where nothing is shared. */
  Object NOTHING_SHARED = new Object();

  /**
   * In which run queue a pCPU is. Each run queue has a {@link Scheduler} instance and a lock of its
   * own, so that pCPUs of different queues never wait for each other; units move between them when
   * one has nothing to run, and now and then ({@link Scheduler#offer}). By default there is one for
   * the whole pool.
   *
   * @param pcpu 0 … {@code pcpus} - 1
   * @param values as {@link #create} gets them
   * @return 0 or more; numbers need not be dense
   */
  default int runQueueOf(int pcpu, int pcpus, SchedParameters values) {
    return 0;
  }

  /**
   * Makes what the instances of one pool's run queues share, such as the account of a domain's cap.
   * They find it by {@link SchedPool#shared} and have different locks: it must be thread-safe, and
   * must not block.
   */
  default Object createShared(SchedParameters values) {
    return NOTHING_SHARED;
  }

  /**
   * Makes a scheduler for a pool, or for one of its run queues. Called outside the pool's lock,
   * while another scheduler may still run the pool: does its slow work here (class loading,
   * tables), and touches nothing of the pool.
   *
   * @param pool the pool it will run
   * @param values checked values of {@link #parameters}
   * @throws IllegalArgumentException if it cannot work with these values or this pool; the message
   *     is shown to the user
   */
  Scheduler create(SchedPool pool, SchedParameters values);
}
