package dev.domus.toolstack.cli;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.DriverDomainSpec;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.build.GuestLayout;
import dev.domus.toolstack.image.ImageFile;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import dev.domus.toolstack.terminal.ConsoleSession;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code domus run}: a machine with one guest, whose console is the terminal; the process lives as
 * long as the guest.
 *
 * <p>Standard output carries what the guest prints and nothing else; whatever Domus has to say goes
 * to standard error. Files and options are judged before the machine starts.
 */
@Command(
    name = "run",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Boot one Xen PV kernel, with its console on the terminal.",
      "",
      "At a terminal, Ctrl-] ends the run, and Ctrl-C goes to the guest. Where standard input is a pipe, the guest hears what comes through it, and goes on when it ends.%n"
    },
    exitCodeListHeading = "%nExit statuses:%n",
    exitCodeList = {
      "0:the guest powered off, or asked for a reboot or a suspend",
      "2:a wrong command line, file or value; nothing was started",
      "3:the guest crashed; a report is on standard error",
      "69:the machine could not be started",
      "70:an error in Domus itself",
      "124:the time given with --timeout was up",
      "130:left with Ctrl-C, or with Ctrl-] at the console"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  domus run --kernel guest-kernels/images/hello.elf",
      "  domus run --kernel guest-kernels/images/spin.elf --cmdline seconds=5 --stats",
      "  domus run --kernel vmlinux --ramdisk initrd.gz --memory 256M",
      "  domus run --kernel guest-kernels/images/hello.elf --driver-domain drivers=console",
      "  echo halt | domus run --kernel grub-x86_64-xen.bin --timeout 60"
    })
final class RunCommand implements Callable<Integer> {
  private final Host host;
  private final PrintWriter err;

  @Option(
      names = "--kernel",
      required = true,
      paramLabel = "IMAGE",
      description = "ELF image of a 64-bit Xen PV kernel.")
  private Path kernel;

  @Option(names = "--ramdisk", paramLabel = "FILE", description = "Ramdisk, handed over as it is.")
  private Optional<Path> ramdisk;

  @Option(
      names = "--cmdline",
      paramLabel = "TEXT",
      defaultValue = "",
      description = "The kernel's command line.")
  private String commandLine;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      defaultValue = "64M",
      converter = MemorySize.Converter.class,
      description =
          "The guest's memory, with K, M (if none is given), G or T; default: ${DEFAULT-VALUE}.")
  private MemorySize memory;

  @Option(
      names = "--hugepages",
      description =
          "Back the machine's memory by huge pages: faster for guests that touch much of it. Refused where the host gives none.")
  private boolean hugePages;

  @Option(
      names = "--vcpus",
      paramLabel = "N",
      defaultValue = "1",
      description = "Number of vCPUs, 1 to 128; default: ${DEFAULT-VALUE}.")
  private int vcpus;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "The guest's name; default: the image's file name.")
  private Optional<String> name;

  @Option(
      names = "--engine",
      paramLabel = "NAME",
      description = "Engine that runs it (domus engine list); default: the first.")
  private Optional<String> engine;

  @Option(
      names = "--scheduler",
      paramLabel = "NAME",
      description = "Scheduler of the pool (domus sched list); default: credit where there is one.")
  private Optional<String> scheduler;

  @Option(
      names = "--pcpus",
      paramLabel = "N",
      defaultValue = "1",
      description = "Number of pCPUs, 1 to 256; default: ${DEFAULT-VALUE}.")
  private int pcpus;

  @Option(
      names = "--weight",
      paramLabel = "N",
      defaultValue = "256",
      description = "Scheduling weight, 1 to 65535; default: ${DEFAULT-VALUE}.")
  private int weight;

  @Option(
      names = "--cap",
      paramLabel = "PERCENT",
      defaultValue = "0",
      description = "Most CPU time it gets, in percent of one pCPU; 0 for no limit.")
  private int cap;

  @Option(
      names = "--privileged",
      description =
          "Let it act on the machine and on other domains as domain 0 may: domctl, sysctl, foreign mappings.")
  private boolean privileged;

  @Option(
      names = "--driver-domain",
      paramLabel = "NAME=SERVICE[,SERVICE...]",
      description =
          "Run services (console, xenstore) in an unprivileged domain of that name instead of in domain 0; may be given more than once.")
  private List<String> driverDomains = List.of();

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "0",
      description = "End the run with status 124 if the guest is still there after so long.")
  private int timeoutSeconds;

  @Option(
      names = "--stats",
      description = "At the end, print instructions retired, MIPS, and hypercall counts.")
  private boolean stats;

  RunCommand(Host host, PrintWriter err) {
    this.host = host;
    this.err = err;
  }

  @Override
  public Integer call() throws BadInputException, MachineException, InterruptedException {
    MachineParts parts = new MachineParts(host);
    String engineName = parts.engine(engine);
    String schedulerName = parts.scheduler(scheduler);
    List<DriverDomainSpec> drivers = parts.driverDomains(driverDomains);
    requireRange("--vcpus", vcpus, 1, 128);
    requireRange("--pcpus", pcpus, 1, 256);
    requireRange("--weight", weight, 1, 65535);
    requireRange("--cap", cap, 0, 100 * 128);
    requireRange("--timeout", timeoutSeconds, 0, Integer.MAX_VALUE);
    try (KernelImage image = KernelImage.read(kernel);
        OptionalFile disk = OptionalFile.open(ramdisk)) {
      image.warnings().forEach(warning -> err.println("domus: " + kernel + ": " + warning));
      GuestLayout.plan(image, disk.file().map(ImageFile::size).orElse(0L), memory.pages());
      GuestConfig config =
          new GuestConfig(
              name.orElse(kernel.getFileName().toString()),
              UUID.randomUUID(),
              image,
              disk.file(),
              commandLine,
              memory.pages(),
              vcpus,
              engineName,
              MachineParts.POOL,
              weight,
              cap,
              privileged);
      MachineSpec spec =
          new MachineSpec(
              MachineParts.memoryFor(memory.bytes()),
              hugePages,
              pcpus,
              MachineParts.POOL,
              schedulerName,
              drivers);
      try (Machine machine = host.start(spec);
          Guest guest = Guest.create(machine, config)) {
        return run(guest);
      }
    }
  }

  private static void requireRange(String option, int value, int least, int most)
      throws BadInputException {
    if (value < least || value > most) {
      throw new BadInputException(
          option + ": is " + value + ", and has to be " + least + " to " + most);
    }
  }

  private int run(Guest guest) throws InterruptedException {
    long started = System.nanoTime();
    int status;
    try (ConsoleSession console = ConsoleSession.open(guest)) {
      guest.unpause();
      status = await(guest, console, started);
      console.drain();
    }
    DomainInfo info = guest.info();
    Complaints.ofEnd(guest, status, timeoutSeconds, err);
    Complaints.ofUnimplementedCalls(guest, err);
    if (stats) {
      RunStatistics.print(
          guest.control().hypercallCounts(guest.domid()), info, System.nanoTime() - started, err);
    }
    return status;
  }

  /** Waits for whatever ends the run first. */
  private int await(Guest guest, ConsoleSession console, long started) throws InterruptedException {
    long limit = timeoutSeconds * 1_000_000_000L;
    while (true) {
      DomainInfo info = guest.info();
      if (info.state() == DomainInfo.State.SHUTDOWN) {
        return statusOf(info.shutdownReason());
      }
      if (console.left()) {
        return ExitStatus.LEFT;
      }
      if (console.outputLost()) {
        return ExitStatus.OUTPUT_LOST;
      }
      if (limit != 0 && System.nanoTime() - started >= limit) {
        return ExitStatus.TIMED_OUT;
      }
      // Three things may end a run and one of them is a guest's, whose VIRQ_DOM_EXC belongs to
      // xenstore's daemon: to look
      // a hundred times a second is simpler than to wait for all, and costs nothing that could be
      // measured.
      Thread.sleep(10);
    }
  }

  private static int statusOf(int reason) {
    return switch (reason) {
      case DomainInfo.POWEROFF, DomainInfo.REBOOT, DomainInfo.SUSPEND -> ExitStatus.OK;
      default -> ExitStatus.CRASHED;
    };
  }
}
