package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.CommandLine;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.service.HypercallException;
import dev.domus.toolstack.BadInputException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code domus}: finds the command, runs it, and turns what goes wrong into one line and an exit
 * status. Faults of Domus itself are thrown on to the kernel's main class, which has its way to
 * tell of them.
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
    List<RuntimeException> faults = new ArrayList<>();
    picocli.CommandLine commands =
        new picocli.CommandLine(
                new DomusCommand(host, out, err), new CommandFactory(host, out, err))
            .setOut(out)
            .setErr(err)
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setUsageHelpAutoWidth(true)
            .setParameterExceptionHandler((e, arguments) -> complainOfUsage(e, err))
            .setExecutionExceptionHandler((e, command, parsed) -> complain(e, err, faults));
    ContributedCommand.addAll(commands, host, out, err);
    int status = commands.execute(args);
    if (!faults.isEmpty()) {
      throw faults.getFirst();
    }
    return status;
  }

  private static int complainOfUsage(picocli.CommandLine.ParameterException e, PrintWriter err) {
    picocli.CommandLine command = e.getCommandLine();
    String message = e.getMessage().lines().findFirst().orElse("cannot be understood");
    err.println(
        "domus: " + message + "; see \"" + command.getCommandSpec().qualifiedName() + " --help\"");
    return ExitStatus.BAD_INPUT;
  }

  private static int complain(Exception e, PrintWriter err, List<RuntimeException> faults) {
    return switch (e) {
      case BadInputException bad -> {
        err.println("domus: " + bad.getMessage());
        yield ExitStatus.BAD_INPUT;
      }
      case UsageException bad -> {
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
      case RuntimeException fault -> {
        faults.add(fault);
        yield ExitStatus.SOFTWARE;
      }
      default -> {
        faults.add(new IllegalStateException(e));
        yield ExitStatus.SOFTWARE;
      }
    };
  }
}
