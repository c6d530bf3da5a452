package dev.domus.kernel;

import dev.domus.kernel.host.Faults;
import dev.domus.kernel.host.MachineStarter;
import dev.domus.kernel.host.NativeAccess;
import dev.domus.kernel.host.PluginHost;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.plugin.CommandLine;
import dev.domus.kernel.plugin.Host.HypercallInfo;
import dev.domus.kernel.plugin.PluginInfo;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The main class: reads the plugin directories, finds the plugin that is the command line, and
 * gives it the arguments. All that {@code domus} does beyond that, help included, is the plugin's.
 *
 * <pre>
 *   Boot [--plugins DIR]... [--native-access MODULE]... [--] ARGUMENT...
 * </pre>
 *
 * Exit status: the command's; {@value #EXIT_USAGE} if there is not exactly one command line, or
 * Boot's own arguments are wrong; {@value #EXIT_FAULT} if a command ends in an exception, which is
 * a fault of Domus: one line says so, and where to get the trace.
 */
public final class Boot {
  /** A wrong argument, or plugins that make no command line. */
  static final int EXIT_USAGE = 2;

  /** A fault of our own; EX_SOFTWARE of sysexits.h. */
  static final int EXIT_FAULT = 70;

  /** What asks for stack traces: a system property that is {@code true}, or … */
  static final String TRACE_PROPERTY = "domus.trace";

  /** … an environment variable that is not empty. */
  static final String TRACE_VARIABLE = "DOMUS_TRACE";

  // --- Wiring: where the hypervisor is put behind the command line. -----------------------------

  /** Makes the machine. */
  private static final MachineStarter MACHINE = KernelMachine::start;

  /** The hypercall table. */
  private static final Supplier<List<HypercallInfo>> HYPERCALLS = () -> new HypercallTable().list();

  // ----------------------------------------------------------------------------------------------

  private final PrintStream err;
  private final boolean traces;
  private final MachineStarter machine;
  private final Supplier<List<HypercallInfo>> hypercalls;

  /**
   * A start.
   *
   * @param err where problems are told
   * @param traces whether faults are told with their stack traces
   */
  Boot(
      PrintStream err,
      boolean traces,
      MachineStarter machine,
      Supplier<List<HypercallInfo>> hypercalls) {
    this.err = err;
    this.traces = traces;
    this.machine = machine;
    this.hypercalls = hypercalls;
  }

  /**
   * Runs one command and ends the process with its status.
   *
   * @param args see above
   */
  public static void main(String[] args) {
    String variable = System.getenv(TRACE_VARIABLE);
    boolean traces =
        Boolean.getBoolean(TRACE_PROPERTY) || (variable != null && !variable.isEmpty());
    Boot boot = new Boot(System.err, traces, MACHINE, HYPERCALLS);
    // pCPUs and services run on threads of their own; a trace on the console helps nobody who did
    // not ask for it.
    Thread.setDefaultUncaughtExceptionHandler(
        (thread, fault) -> boot.tell(fault, thread.getName()));
    int status = boot.run(args);
    System.out.flush();
    System.exit(status);
  }

  /** Runs one command and returns the exit status. */
  int run(String[] args) {
    List<Path> directories = new ArrayList<>();
    Set<String> granted = new HashSet<>();
    int next = 0;
    for (; next < args.length && !args[next].equals("--"); next += 2) {
      String option = args[next];
      if (!option.equals("--plugins") && !option.equals("--native-access")) {
        break;
      }
      if (next + 1 == args.length) {
        return refuse(option + " wants a value; give one");
      }
      String value = args[next + 1];
      if (option.equals("--native-access")) {
        granted.add(value);
      } else if (Files.isDirectory(Path.of(value))) {
        directories.add(Path.of(value));
      } else {
        return refuse(
            "--plugins=" + value + " is not a directory; name the one that holds the plugins");
      }
    }
    if (next < args.length && args[next].equals("--")) {
      next++;
    }
    String[] command = Arrays.copyOfRange(args, next, args.length);
    try {
      return run(directories, granted::contains, command);
    } catch (Throwable fault) { // the last place where one can be told of in our own words
      tell(fault, "");
      return EXIT_FAULT;
    }
  }

  private int run(List<Path> directories, NativeAccess nativeAccess, String[] command) {
    PluginHost host =
        new PluginHost(directories, nativeAccess, hypercalls, machine, this::complain);
    List<CommandLine> commandLines = host.commandLines();
    if (commandLines.size() == 1) {
      return commandLines.getFirst().run(command, host);
    }
    host.complain();
    if (commandLines.isEmpty()) {
      return refuse(
          "no plugin provides a command line; looked in %s. Put the toolstack plugin there"
              .formatted(
                  directories.isEmpty()
                      ? "no directory (--plugins names one)"
                      : joined(directories)));
    }
    List<String> modules = new ArrayList<>();
    for (CommandLine commandLine : commandLines) {
      modules.add(commandLine.getClass().getModule().getName());
    }
    return refuse(
        "more than one plugin provides a command line: %s; remove all but one"
            .formatted(joined(modules)));
  }

  private static String joined(List<?> items) {
    StringBuilder line = new StringBuilder();
    for (Object item : items) {
      line.append(line.isEmpty() ? "" : ", ").append(item);
    }
    return line.toString();
  }

  private int refuse(String problem) {
    err.println("domus: " + problem);
    return EXIT_USAGE;
  }

  private void complain(PluginInfo plugin) {
    String name =
        plugin.id().equals(plugin.location())
            ? plugin.id()
            : plugin.id() + " (" + plugin.location() + ")";
    err.println("domus: plugin " + name + ": " + plugin.problem());
  }

  private void tell(Throwable fault, String thread) {
    err.println(
        "domus: internal error%s: %s at %s. This is a fault of Domus, not yours; %s"
            .formatted(
                thread.isEmpty() ? "" : " in thread " + thread,
                Faults.inOneLine(fault),
                Faults.place(fault),
                traces ? "its trace:" : TRACE_VARIABLE + "=1 in the environment shows the trace."));
    if (traces) {
      fault.printStackTrace(err);
    }
  }
}
