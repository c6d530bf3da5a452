package dev.domus.kernel.plugin;

import java.util.List;

/** The process that plugins were loaded into. Thread-safe. */
public interface Host {
  /**
   * Names of the engines, the default first; those that this host cannot run are not among them.
   */
  List<NamedPart> engines();

  /** Names of the schedulers. */
  List<NamedPart> schedulers();

  /** All plugins that were found, with what became of them. */
  List<PluginInfo> plugins();

  /** The hypercall table: what is there and what answers −ENOSYS. */
  List<HypercallInfo> hypercalls();

  /**
   * Starts the machine. There is at most one at a time.
   *
   * @throws MachineException with a message for people, if the memory cannot be had or a named part
   *     does not exist
   */
  Machine start(MachineSpec spec) throws MachineException;

  /**
   * An engine or scheduler.
   *
   * @param name by which it is chosen
   * @param description one line
   */
  record NamedPart(String name, String description) {}

  /**
   * A hypercall.
   *
   * @param number its number
   * @param name its name
   * @param implemented false if it answers −ENOSYS
   */
  record HypercallInfo(int number, String name, boolean implemented) {}
}
