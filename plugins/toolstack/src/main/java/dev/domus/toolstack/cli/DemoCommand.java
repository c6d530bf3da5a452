package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.demo.Demo;
import dev.domus.toolstack.image.KernelImage;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code domus demo}. */
@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    description = "Show two guests at work; 15 seconds.",
    exitCodeListHeading = "%nExit statuses:%n",
    exitCodeList = {
      "0:everything that the host left time to judge was as expected",
      "1:something was not; the output says what"
    })
final class DemoCommand implements Callable<Integer> {
  private static final int PAGE_SIZE = 4096;

  private final Host host;
  private final PrintWriter out;
  private final PrintWriter err;

  @Parameters(
      paramLabel = "SHOW",
      arity = "0..1",
      defaultValue = "swap",
      description = {
        "swap (the default): weights 1 : 2 on one pCPU, and the scheduler swapped under the guests;",
        "pingpong: a page shared by a grant, and an event channel."
      })
  private Demo.Show show;

  @Option(
      names = "--engine",
      paramLabel = "NAME",
      description = "Engine that runs the guests; default: the first of domus engine list.")
  private Optional<String> engine;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "pingpong: round trips of both guests; default: 500.")
  private Optional<Integer> rounds;

  @Option(
      names = "--vcpus",
      paramLabel = "N",
      description =
          "pingpong: vCPUs of each guest, 1 to 8, which share the round trips, on as many pCPUs as the host has processors for; default: 1.")
  private Optional<Integer> vcpus;

  @Mixin private TraceOptions tracing;

  DemoCommand(Host host, PrintWriter out, PrintWriter err) {
    this.host = host;
    this.out = out;
    this.err = err;
  }

  @Override
  public Integer call() throws BadInputException, MachineException, InterruptedException {
    checkRoundsAndVcpus();
    int guestVcpus = vcpus.orElse(1);
    MachineParts parts = new MachineParts(host);
    String engineName = parts.engine(engine);
    parts.scheduler(Optional.of(Demo.BY_TURNS));
    tracing.check();
    String scheduler = parts.scheduler(Optional.of(Demo.BY_WEIGHT));
    Demo demo =
        new Demo(out, Ansi.AUTO.enabled(), home(), rounds.orElse(Demo.USUAL_ROUNDS), guestVcpus);
    MachineSpec spec =
        new MachineSpec(
            MachineParts.memoryFor(Demo.GUESTS * Demo.GUEST_PAGES * PAGE_SIZE),
            false,
            Math.min(guestVcpus, Runtime.getRuntime().availableProcessors()),
            MachineParts.POOL,
            scheduler);
    try (KernelImage image = KernelImage.read(demo.image(show));
        Machine machine = host.start(spec)) {
      Optional<RunTrace> trace = RunTrace.start(tracing, machine, host, err);
      try {
        return demo.run(show, machine, image, engineName, MachineParts.POOL)
            ? ExitStatus.OK
            : ExitStatus.FAILED;
      } finally {
        trace.ifPresent(RunTrace::close);
      }
    }
  }

  private void checkRoundsAndVcpus() throws BadInputException {
    if (show != Demo.Show.PINGPONG && (rounds.isPresent() || vcpus.isPresent())) {
      throw new BadInputException(
          "--rounds and --vcpus are for demo pingpong; leave them out, or ask for that");
    }
    if (vcpus.orElse(1) < 1 || vcpus.orElse(1) > Demo.MOST_VCPUS) {
      throw new BadInputException(
          "--vcpus %d: must be 1 to %d".formatted(vcpus.orElseThrow(), Demo.MOST_VCPUS));
    }
    if (rounds.orElse(1) < vcpus.orElse(1)) {
      throw new BadInputException(
          "--rounds %d: must be at least one for each vCPU".formatted(rounds.orElseThrow()));
    }
  }

  private static Path home() throws BadInputException {
    Path home = Path.of(System.getProperty("domus.home", ""));
    if (!Files.isDirectory(home.resolve("guest-kernels/images"))) {
      throw new BadInputException(
          home.toAbsolutePath()
              + ": has no guest-kernels/images, whose kernels the demo runs; start it with the launcher, domus");
    }
    return home;
  }
}
