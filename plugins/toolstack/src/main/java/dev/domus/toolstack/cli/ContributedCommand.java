package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Subcommand;
import dev.domus.kernel.plugin.UsageException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;

/**
 * The place of another plugin's {@link Subcommand} among the commands: it is found and listed here,
 * and reads the rest of the line itself.
 */
final class ContributedCommand implements Callable<Integer> {
  private final Subcommand command;
  private final Host host;
  private final PrintWriter out;
  private final PrintWriter err;

  @Parameters(arity = "0..*", hidden = true)
  private List<String> args = new ArrayList<>();

  private ContributedCommand(Subcommand command, Host host, PrintWriter out, PrintWriter err) {
    this.command = command;
    this.host = host;
    this.out = out;
    this.err = err;
  }

  /**
   * Puts the commands of all plugins into their groups. One whose group does not exist, or whose
   * name is taken, is left out: nobody can ask for it.
   */
  static void addAll(CommandLine commands, Host host, PrintWriter out, PrintWriter err) {
    for (Subcommand command : host.subcommands()) {
      List<String> path = command.path();
      CommandLine group = commands;
      for (int i = 0; group != null && i < path.size() - 1; i++) {
        group = group.getSubcommands().get(path.get(i));
      }
      if (group != null && !group.getSubcommands().containsKey(path.getLast())) {
        group.addSubcommand(
            path.getLast(), new ContributedCommand(command, host, out, err).commandLine());
      }
    }
  }

  private CommandLine commandLine() {
    CommandSpec spec = CommandSpec.forAnnotatedObject(this);
    spec.usageMessage().description(command.description());
    return new CommandLine(spec).setUnmatchedOptionsArePositionalParams(true);
  }

  @Override
  public Integer call() throws UsageException {
    return command.run(args, host, out, err);
  }
}
