package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.Host;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The command {@code domus} itself: help and version. */
@Command(
    name = "domus",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    description = "A hypervisor with Xen's architecture: runs x86-64 Xen PV kernels on a JVM.",
    subcommands = {
      DemoCommand.class,
      RunCommand.class,
      TraceCommand.class,
      PluginCommand.class,
      SchedCommand.class,
      PolicyCommand.class,
      EngineCommand.class,
      DeviceCommand.class,
      ListCommands.Hypercalls.class
    },
    synopsisSubcommandLabel = "COMMAND",
    commandListHeading = "%nCommands:%n",
    optionListHeading = "%nOptions:%n",
    exitCodeListHeading = "%nExit statuses:%n",
    exitCodeList = {
      "0:done; run: the guest powered off, or asked for a reboot",
      "1:demo: something did not come out as it should",
      "2:a wrong command line, file or value; nothing was started",
      "3:run: the guest crashed",
      "69:the machine could not be started",
      "70:an error in Domus itself",
      "124:run: the time given with --timeout was up",
      "130:left with Ctrl-C, or with Ctrl-] at the guest's console"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  domus demo",
      "  domus run --kernel guest-kernels/images/hello.elf",
      "  domus run --kernel /usr/lib/grub-xen/grub-x86_64-xen.bin",
      "  domus sched list --json"
    })
final class DomusCommand implements Callable<Integer> {
  final Host host;
  final PrintWriter out;
  final PrintWriter err;

  @Spec private CommandSpec spec;

  DomusCommand(Host host, PrintWriter out, PrintWriter err) {
    this.host = host;
    this.out = out;
    this.err = err;
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(err);
    return ExitStatus.BAD_INPUT;
  }
}
