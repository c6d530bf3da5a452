package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.Host;
import java.io.PrintWriter;
import picocli.CommandLine;

/** Makes the command objects, and gives each what it works with. */
record CommandFactory(Host host, PrintWriter out, PrintWriter err) implements CommandLine.IFactory {
  @Override
  public <K> K create(Class<K> type) throws Exception {
    if (type == RunCommand.class) {
      return type.cast(new RunCommand(host, err));
    }
    if (type == TraceCommand.class) {
      return type.cast(new TraceCommand(out));
    }
    if (type == DemoCommand.class) {
      return type.cast(new DemoCommand(host, out, err));
    }
    if (type == ListCommands.Plugins.class) {
      return type.cast(new ListCommands.Plugins(host, out));
    }
    if (type == ListCommands.Schedulers.class) {
      return type.cast(new ListCommands.Schedulers(host, out));
    }
    if (type == ListCommands.Parameters.class) {
      return type.cast(new ListCommands.Parameters(host, out));
    }
    if (type == ListCommands.Engines.class) {
      return type.cast(new ListCommands.Engines(host, out));
    }
    if (type == ListCommands.Devices.class) {
      return type.cast(new ListCommands.Devices(host, out));
    }
    if (type == ListCommands.DmaModes.class) {
      return type.cast(new ListCommands.DmaModes(host, out));
    }
    if (type == ListCommands.Policies.class) {
      return type.cast(new ListCommands.Policies(host, out));
    }
    if (type == ListCommands.Hypercalls.class) {
      return type.cast(new ListCommands.Hypercalls(host, out));
    }
    return CommandLine.defaultFactory().create(type);
  }
}
