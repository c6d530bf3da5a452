package dev.domus.toolstack.cli;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.DeterministicMode;
import dev.domus.kernel.plugin.DeviceSpec;
import dev.domus.kernel.plugin.DriverDomainSpec;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.build.GuestLayout;
import dev.domus.toolstack.image.ImageFile;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import dev.domus.toolstack.terminal.ConsoleSession;
import dev.domus.toolstack.terminal.InputScript;
import dev.domus.toolstack.terminal.ScriptedConsole;
import dev.domus.toolstack.terminal.Terminals;
import dev.domus.toolstack.top.TopSource;
import dev.domus.toolstack.top.TopView;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
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
      "75:with --deterministic: the guest sleeps, and nothing will ever wake it",
      "124:the time given with --timeout was up",
      "130:left with Ctrl-C, or with Ctrl-] at the console"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  domus run --kernel guest-kernels/images/hello.elf",
      "  domus run --kernel guest-kernels/images/spin.elf --cmdline seconds=5 --stats",
      "  domus run --kernel guest-kernels/images/spin.elf --trace spin.trace --trace spin.pftrace",
      "  domus run --kernel guest-kernels/images/spin.elf --cmdline seconds=4 --scheduler rr --swap 2s=credit2",
      "  domus run --kernel vmlinux --ramdisk initrd.gz --memory 256M",
      "  domus run --kernel guest-kernels/images/hello.elf --driver-domain drivers=console",
      "  echo halt | domus run --kernel grub-x86_64-xen.bin --timeout 60",
      "  domus run --kernel guest-kernels/images/spin.elf --cmdline seconds=1 --deterministic --state-hash=100"
    })
final class RunCommand implements Callable<Integer> {
  private static final Duration TOP_INTERVAL = Duration.ofSeconds(1);

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

  @Mixin private SchedulingOptions scheduling;

  @Mixin private PlannedSwaps swaps;

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

  @Mixin private DeterministicOptions deterministic;

  @Option(
      names = "--policy",
      paramLabel = "NAME[:ARGUMENT]",
      description =
          "Access policy (domus policy list), with what it is made of, such as rules:FILE; default: the built-in one.")
  private Optional<String> policy;

  @Option(
      names = "--driver-domain",
      paramLabel = "NAME=SERVICE[,SERVICE...]",
      description =
          "Run services (console, xenstore) in an unprivileged domain of that name instead of in domain 0; may be given more than once.")
  private List<String> driverDomains = List.of();

  @Mixin private DeviceOptions devices;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "0",
      description = "End the run with status 124 if the guest is still there after so long.")
  private int timeoutSeconds;

  @Option(
      names = "--stats",
      description =
          "At the end, print instructions retired, MIPS, hypercall counts, and what was refused to whom.")
  private boolean stats;

  @Option(
      names = "--top",
      description =
          "Show every second, on standard error, what the guest does: in place at a terminal where the guest's console goes elsewhere, else line by line.")
  private boolean top;

  @Mixin private TraceOptions tracing;

  RunCommand(Host host, PrintWriter err) {
    this.host = host;
    this.err = err;
  }

  @Override
  public Integer call() throws BadInputException, MachineException, InterruptedException {
    MachineParts parts = new MachineParts(host);
    String engineName = parts.engine(engine);
    String schedulerName = parts.scheduler(scheduler);
    Optional<PolicyChoice> policyChoice =
        policy.isPresent() ? Optional.of(PolicyChoice.parse(host, policy.get())) : Optional.empty();
    List<DriverDomainSpec> drivers = parts.driverDomains(driverDomains);
    requireRange("--vcpus", vcpus, 1, 128);
    requireRange("--pcpus", pcpus, 1, 256);
    scheduling.check(pcpus, schedulerName, host.schedulerFactories());
    swaps.check(host.schedulerFactories());
    requireRange("--weight", weight, 1, 65535);
    requireRange("--cap", cap, 0, 100 * 128);
    requireRange("--timeout", timeoutSeconds, 0, Integer.MAX_VALUE);
    tracing.check();
    Optional<DeterministicMode> mode = deterministic.mode(pcpus);
    List<DeviceSpec> deviceSpecs = devices.specs(host.deviceModels(), mode.isPresent());
    InputScript script = deterministic.script();
    if (top && mode.isPresent()) {
      throw new BadInputException(
          "--top goes by the host's time, and a deterministic run does not; leave one of them out");
    }
    if (!swaps.isEmpty() && mode.isPresent()) {
      throw new BadInputException(
          "--swap goes by the host's time, and a deterministic run does not; leave one of them out");
    }
    try (KernelImage image = KernelImage.read(kernel);
        OptionalFile disk = OptionalFile.open(ramdisk)) {
      image.warnings().forEach(warning -> err.println("domus: " + kernel + ": " + warning));
      GuestLayout.plan(image, disk.file().map(ImageFile::size).orElse(0L), memory.pages());
      String guestName = name.orElse(kernel.getFileName().toString());
      GuestConfig config =
          new GuestConfig(
              guestName,
              deterministic.uuid(guestName),
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
              scheduling.granularity(),
              MachineParts.POOL,
              schedulerName,
              scheduling.parameters(),
              mode,
              drivers,
              deviceSpecs,
              devices.passThrough());
      try (Machine machine = host.start(spec)) {
        if (policyChoice.isPresent()) {
          policyChoice.get().apply(machine.domain0().hypercalls().control());
        }
        try (Guest guest = Guest.create(machine, config)) {
          scheduling.applyToGuest(guest.control(), guest.info(), pcpus);
          devices.attachTo(guest);
          return run(machine, guest, script);
        }
      }
    }
  }

  private int run(Machine machine, Guest guest, InputScript script)
      throws BadInputException, InterruptedException {
    Optional<VirtualTime> time = machine.virtualTime();
    Optional<RunTrace> trace = RunTrace.start(tracing, machine, host, err);
    trace.ifPresent(recording -> recording.name(guest));
    try {
      return time.isPresent() ? run(guest, time.get(), script) : run(guest);
    } finally {
      trace.ifPresent(RunTrace::close);
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
    SchedulerFalls falls = new SchedulerFalls(guest.control(), err);
    Optional<TopView> view = top ? Optional.of(viewOf(guest)) : Optional.empty();
    try (ConsoleSession console = ConsoleSession.open(guest)) {
      guest.unpause();
      status = await(guest, console, falls, started);
      console.drain();
    } finally {
      view.ifPresent(TopView::close);
    }
    falls.tell();
    return tell(guest, status, started);
  }

  private int run(Guest guest, VirtualTime time, InputScript script) {
    long started = System.nanoTime();
    if (System.console() != null && System.console().isTerminal()) {
      err.println("domus: the keyboard is not connected in a deterministic run; --input types");
    }
    long limit = timeoutSeconds == 0 ? Long.MAX_VALUE : timeoutSeconds * 1_000_000_000L;
    OptionalInt status;
    try (ScriptedConsole console = new ScriptedConsole(guest, time, script)) {
      guest.unpause();
      status = new DeterministicRun(guest, time, console, deterministic, limit, err).run();
    }
    new SchedulerFalls(guest.control(), err).tell();
    return tell(guest, status.orElseGet(() -> statusOf(guest.info().shutdownReason())), started);
  }

  private int tell(Guest guest, int status, long started) {
    DomainInfo info = guest.info();
    Complaints.ofEnd(guest, status, timeoutSeconds, err);
    Complaints.ofUnimplementedCalls(guest, err);
    if (stats) {
      RunStatistics.print(
          guest.control().hypercallCounts(guest.domid()), info, System.nanoTime() - started, err);
      RunStatistics.print(guest.control().denials(), err);
    }
    return status;
  }

  private TopView viewOf(Guest guest) {
    boolean inPlace = Terminals.isError() && !Terminals.isOutput();
    return new TopView(
        TopSource.of(guest.control(), domid -> guest.name()), err, inPlace, TOP_INTERVAL);
  }

  /** Waits for whatever ends the run first. */
  private int await(Guest guest, ConsoleSession console, SchedulerFalls falls, long started)
      throws InterruptedException {
    long limit = timeoutSeconds * 1_000_000_000L;
    while (true) {
      swaps.make(guest.control(), MachineParts.POOL, System.nanoTime() - started, err);
      falls.tell();
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
