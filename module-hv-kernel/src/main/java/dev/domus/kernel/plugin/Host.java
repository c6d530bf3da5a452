package dev.domus.kernel.plugin;

import java.util.List;
import java.util.OptionalInt;

/** The process that plugins were loaded into. Thread-safe. */
public interface Host {
  /**
   * Names of the engines, the default first; those that this host cannot run are not among them.
   */
  List<NamedPart> engines();

  /** Names of the schedulers. */
  List<NamedPart> schedulers();

  /** Names of the services, in the order in which they start. */
  List<String> services();

  /** All plugins that were found, with what became of them. */
  List<PluginInfo> plugins();

  /** The hypercalls and their sub-operations, and what there is of each. */
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
   * A hypercall, or one sub-operation of it.
   *
   * @param number the hypercall's number
   * @param name the hypercall's name
   * @param command the sub-operation's number, if the hypercall has any
   * @param subop the sub-operation's name, or empty
   * @param state {@code done}, {@code refused} on purpose, or {@code absent}
   * @param why what is refused or absent, and why; empty if it is done
   */
  record HypercallInfo(
      int number, String name, OptionalInt command, String subop, String state, String why) {}
}
