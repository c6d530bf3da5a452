package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.CommandLine;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.service.HypercallException;
import dev.domus.toolstack.BadInputException;
import java.io.PrintWriter;

/**
 * {@code domus}: finds the command, runs it, and turns what goes wrong into one line and an exit
 * status. A stack trace is printed for errors of Domus itself only.
 */
public final class DomusCommandLine implements CommandLine {
  /** Made by the plugin host. */
  public DomusCommandLine() {}

  @Override
  public int run(String[] args, Host host) {
    return run(args, host, new PrintWriter(System.out, true), new PrintWriter(System.err, true));
  }

  /** As {@link #run(String[], Host)}, on streams of the caller's choice. */
  static int run(String[] args, Host host, PrintWriter out, PrintWriter err) {
    picocli.CommandLine commands =
        new picocli.CommandLine(
                new DomusCommand(host, out, err), new CommandFactory(host, out, err))
            .setOut(out)
            .setErr(err)
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setUsageHelpAutoWidth(true)
            .setParameterExceptionHandler((e, arguments) -> complainOfUsage(e, err))
            .setExecutionExceptionHandler((e, command, parsed) -> complain(e, err));
    return commands.execute(args);
  }

  private static int complainOfUsage(picocli.CommandLine.ParameterException e, PrintWriter err) {
    picocli.CommandLine command = e.getCommandLine();
    String message = e.getMessage().lines().findFirst().orElse("cannot be understood");
    err.println(
        "domus: " + message + "; see \"" + command.getCommandSpec().qualifiedName() + " --help\"");
    return ExitStatus.BAD_INPUT;
  }

  private static int complain(Exception e, PrintWriter err) {
    return switch (e) {
      case BadInputException bad -> {
        err.println("domus: " + bad.getMessage());
        yield ExitStatus.BAD_INPUT;
      }
      case MachineException machine -> {
        err.println("domus: the machine does not start: " + machine.getMessage());
        yield ExitStatus.UNAVAILABLE;
      }
      case HypercallException refused -> {
        err.println("domus: the hypervisor refuses: " + refused.getMessage());
        yield ExitStatus.SOFTWARE;
      }
      default -> {
        err.println("domus: an error in Domus itself; please report it with what follows");
        e.printStackTrace(err);
        yield ExitStatus.SOFTWARE;
      }
    };
  }
}
