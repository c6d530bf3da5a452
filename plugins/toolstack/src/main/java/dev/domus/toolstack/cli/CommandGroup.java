package dev.domus.toolstack.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** A command that does nothing but hold others. */
sealed class CommandGroup implements Callable<Integer>
    permits PluginCommand, PolicyCommand, SchedCommand, DeviceCommand, EngineCommand {
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    String commands = String.join(", ", spec.subcommands().keySet());
    throw new ParameterException(
        spec.commandLine(), spec.qualifiedName() + ": a command is missing (" + commands + ")");
  }
}
