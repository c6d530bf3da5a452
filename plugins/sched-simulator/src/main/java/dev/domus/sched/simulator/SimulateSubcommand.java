package dev.domus.sched.simulator;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Subcommand;
import dev.domus.kernel.plugin.UsageException;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;

/** {@code domus sched simulate}, as the command line finds it. */
public final class SimulateSubcommand implements Subcommand {
  /** Made by the plugin host. */
  public SimulateSubcommand() {}

  @Override
  public List<String> path() {
    return List.of("sched", "simulate");
  }

  @Override
  public String description() {
    return "Compare schedulers in virtual time, on described or recorded workloads.";
  }

  @Override
  public int run(List<String> args, Host host, PrintWriter out, PrintWriter err)
      throws UsageException {
    SimulateCommand command = new SimulateCommand();
    CommandLine line =
        new CommandLine(command)
            .setOut(out)
            .setErr(err)
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setUsageHelpAutoWidth(true);
    try {
      CommandLine.ParseResult parsed = line.parseArgs(args.toArray(String[]::new));
      if (parsed.isUsageHelpRequested()) {
        line.usage(out);
        return 0;
      }
    } catch (CommandLine.ParameterException e) {
      throw new UsageException(
          e.getMessage().lines().findFirst().orElse("cannot be understood")
              + "; see \"domus sched simulate --help\"");
    }
    return command.run(host, out, err);
  }
}
