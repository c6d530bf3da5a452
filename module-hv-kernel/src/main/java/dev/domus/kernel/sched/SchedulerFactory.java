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

  /**
   * Makes a scheduler for a pool. Called outside the pool's lock, while another scheduler may still
   * run the pool: does its slow work here (class loading, tables), and touches nothing of the pool.
   *
   * @param pool the pool it will run
   * @param values checked values of {@link #parameters}
   * @throws IllegalArgumentException if it cannot work with these values or this pool; the message
   *     is shown to the user
   */
  Scheduler create(SchedPool pool, SchedParameters values);
}
