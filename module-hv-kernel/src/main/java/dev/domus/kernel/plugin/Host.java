package dev.domus.kernel.plugin;

import dev.domus.kernel.device.DeviceOption;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedulerFactory;
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

  /** The parameters that each scheduler declares, in the order of {@link #schedulers}. */
  List<ParameterInfo> schedulerParameters();

  /**
   * The schedulers themselves, in the order of {@link #schedulers}, for those who run them without
   * a machine. A plugin can be unloaded only when nobody holds its factory any more.
   */
  List<SchedulerFactory> schedulerFactories();

  /** Commands that plugins add to the command line; loads only those plugins. */
  List<Subcommand> subcommands();

  /** Names of the access policies, the built-in one first. */
  List<NamedPart> policies();

  /** The device models, and what can be said of a device of each. */
  List<DeviceModelInfo> deviceModels();

  /** Modes of protection for DMA that drivers in service domains may choose, strict first. */
  List<NamedPart> dmaModes();

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
   * An engine, a scheduler, an access policy, or a mode of protection for DMA.
   *
   * @param name by which it is chosen
   * @param description one line
   */
  record NamedPart(String name, String description) {}

  /**
   * A device model.
   *
   * @param name by which it is chosen
   * @param description one line
   * @param options what can be said of a device when it is made
   */
  record DeviceModelInfo(String name, String description, List<DeviceOption> options) {}

  /**
   * A parameter of a scheduler.
   *
   * @param scheduler the scheduler's name
   * @param of what it is given to: {@code pool} or {@code vcpu}
   * @param name by which it is given
   * @param type number, flag, choice or text
   * @param range what may be given, with its unit
   * @param value the default
   * @param description one line
   */
  record ParameterInfo(
      String scheduler,
      String of,
      String name,
      String type,
      String range,
      String value,
      String description) {
    /** What a scheduler declares. */
    public static ParameterInfo of(String scheduler, String of, SchedParameter parameter) {
      return new ParameterInfo(
          scheduler,
          of,
          parameter.name(),
          parameter.type(),
          parameter.range(),
          parameter.defaultText(),
          parameter.description());
    }
  }

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
