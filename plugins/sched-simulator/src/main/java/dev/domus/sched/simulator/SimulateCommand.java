package dev.domus.sched.simulator;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.simulator.engine.Costs;
import dev.domus.sched.simulator.engine.RunRecorder;
import dev.domus.sched.simulator.report.Comparison;
import dev.domus.sched.simulator.report.HtmlReport;
import dev.domus.sched.simulator.report.JsonReport;
import dev.domus.sched.simulator.report.TextReport;
import dev.domus.sched.simulator.scenario.Bout;
import dev.domus.sched.simulator.scenario.Contender;
import dev.domus.sched.simulator.scenario.Outcome;
import dev.domus.sched.simulator.scenario.Scenario;
import dev.domus.sched.simulator.scenario.UnitParameters;
import dev.domus.sched.simulator.workload.Durations;
import dev.domus.sched.simulator.workload.Preset;
import dev.domus.sched.simulator.workload.TraceWriter;
import dev.domus.sched.simulator.workload.Workload;
import dev.domus.sched.simulator.workload.WorkloadReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The options of {@code domus sched simulate}, and what is done with them. */
@Command(
    name = "domus sched simulate",
    description = "Compare schedulers in virtual time, on described or recorded workloads.",
    sortOptions = false,
    footerHeading = "%nWorkloads:%n",
    footer = {
      "  KIND:SETTING=VALUE,...          equal domains, on which all settings can be left out",
      "    cpu                           computes without end; start=0s",
      "    io                            work=exp(100us),wait=exp(2ms)",
      "    rt                            period=10ms,work=1ms,deadline=PERIOD,phase=random|none",
      "    bursty                        every=exp(1ms),work=exp(500us),burst=exp(50ms),",
      "                                  pause=exp(200ms)",
      "    lock                          think=exp(100us),hold=exp(10us),locks=1,",
      "                                  waiting=block|spin|yield,spin=20us",
      "    trace                         file=NAME,timing=sleep|clock: a recording",
      "  every kind                      count=DOMAINS,vcpus=PER-DOMAIN,weight=256,cap=0,name=TEXT,",
      "                                  affinity=0-3+8,soft-affinity=all,SCHEDULER.PARAMETER=VALUE",
      "  times                           250us, 1.5ms; exp(MEAN), uniform(LEAST,MOST),",
      "                                  pareto(LEAST,SHAPE)",
      "",
      "Examples:",
      "  domus sched simulate --preset shares --html report.html",
      "  domus sched simulate --scheduler credit,eevdf:slice=500 --pcpus 64 --vcpus 1000",
      "  domus sched simulate --pcpus 2 --workload cpu:count=4 --workload io:count=8,wait=1ms"
    })
final class SimulateCommand {
  private static final int OK = 0;

  /** What was asked for was done, and a scheduler did not come through. */
  private static final int FAILED = 1;

  private static final int MAX_PCPUS = 4_096;

  /** Compared if nothing else is asked for, where they are there. */
  private static final List<String> USUAL = List.of("credit", "eevdf", "rr");

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;

  @Option(
      names = "--scheduler",
      paramLabel = "NAME[:PARAMETER=VALUE...],...",
      description = "Schedulers to compare, or all; credit,eevdf,rr if none is named.")
  private Optional<String> schedulers = Optional.empty();

  @Option(
      names = "--pcpus",
      paramLabel = "N",
      defaultValue = "4",
      description = "pCPUs of the pool (default: ${DEFAULT-VALUE}).")
  private int pcpus;

  @Option(
      names = "--vcpus",
      paramLabel = "N",
      description = "vCPUs in all: workloads without a count share those that are left.")
  private Optional<Integer> vcpus = Optional.empty();

  @Option(
      names = "--workload",
      paramLabel = "KIND[:SETTING=VALUE,...]",
      description = "What vCPUs do, see below; can be repeated.")
  private List<String> workloads = new ArrayList<>();

  @Option(
      names = "--workload-file",
      paramLabel = "FILE",
      description = "The same as a JSON array: [{\"kind\": \"cpu\", \"weight\": 512}, ...].")
  private Optional<Path> workloadFile = Optional.empty();

  @Option(
      names = "--preset",
      paramLabel = "NAME",
      description =
          "Workloads that are there: ${COMPLETION-CANDIDATES}; mixed if there are no others.")
  private Optional<Preset> preset = Optional.empty();

  @Option(
      names = "--time",
      paramLabel = "TIME",
      defaultValue = "2s",
      description = "Virtual time that is measured (default: ${DEFAULT-VALUE}).")
  private String time;

  @Option(
      names = "--warmup",
      paramLabel = "TIME",
      description = "Virtual time before that (default: a tenth of it).")
  private Optional<String> warmup = Optional.empty();

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Of all that is random: the same seed, the same result (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--switch-cost",
      paramLabel = "TIME",
      defaultValue = "2us",
      description = "What a pCPU takes to change its vCPU (default: ${DEFAULT-VALUE}).")
  private String switchCost;

  @Option(
      names = "--migration-cost",
      paramLabel = "TIME",
      defaultValue = "10us",
      description = "What a vCPU has to do more on another pCPU (default: ${DEFAULT-VALUE}).")
  private String migrationCost;

  @Option(
      names = "--interrupt-cost",
      paramLabel = "TIME",
      defaultValue = "2us",
      description = "What an interrupt to a pCPU takes to be heard (default: ${DEFAULT-VALUE}).")
  private String interruptCost;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "Write a page with plots, which needs no network.")
  private Optional<Path> html = Optional.empty();

  @Option(names = "--json", description = "Print JSON instead of the table.")
  private boolean json;

  @Option(
      names = "--reproducible",
      description = "Leave out what is real time, so that the same seed gives the same report.")
  private boolean reproducible;

  @Option(
      names = "--record",
      paramLabel = "FILE",
      description =
          "Write what happens as a recording, for --workload trace:file=FILE; with one scheduler.")
  private Optional<Path> record = Optional.empty();

  int run(Host host, PrintWriter out, PrintWriter err) throws UsageException {
    List<SchedulerFactory> known = host.schedulerFactories();
    List<Contender> contenders = Contender.read(schedulers.orElseGet(() -> usual(known)), known);
    Scenario scenario = scenario(known);
    List<Map<String, SchedParameters>> parameters = new ArrayList<>();
    for (Workload workload : scenario.workloads()) {
      parameters.add(UnitParameters.check(workload, known));
    }
    if (record.isPresent() && contenders.size() > 1) {
      throw new UsageException(
          "--record: a recording is of one scheduler, and there are %d; name one with --scheduler"
              .formatted(contenders.size()));
    }
    if (html.isPresent()) {
      write(html.get(), ""); // better told now than after the simulation
    }
    List<Outcome> outcomes = new ArrayList<>();
    for (Contender contender : contenders) {
      outcomes.add(simulate(scenario, contender, parameters));
    }
    Comparison comparison = new Comparison(scenario, outcomes, !reproducible);
    if (json) {
      JsonReport.print(comparison, out);
    } else {
      TextReport.print(comparison, out);
    }
    if (html.isPresent()) {
      write(html.get(), HtmlReport.of(comparison));
      err.println("domus: wrote " + html.get());
    }
    return outcomes.stream().allMatch(outcome -> outcome.fault().isEmpty()) ? OK : FAILED;
  }

  private static String usual(List<SchedulerFactory> known) {
    String there =
        USUAL.stream()
            .filter(name -> known.stream().anyMatch(factory -> factory.name().equals(name)))
            .collect(Collectors.joining(","));
    return there.isEmpty() ? "all" : there;
  }

  private Outcome simulate(
      Scenario scenario, Contender contender, List<Map<String, SchedParameters>> parameters)
      throws UsageException {
    if (record.isEmpty()) {
      return new Bout(scenario, contender, parameters, RunRecorder.NONE).run();
    }
    Path file = record.get();
    try (TraceWriter writer = new TraceWriter(file)) {
      return new Bout(scenario, contender, parameters, writer).run();
    } catch (IOException | UncheckedIOException e) {
      throw cannotWrite("--record", file, e);
    }
  }

  // ------------------------------------------------------------------ reading

  private Scenario scenario(List<SchedulerFactory> known) throws UsageException {
    if (pcpus < 1 || pcpus > MAX_PCPUS) {
      throw new UsageException("--pcpus: is %d, and has to be 1 to %d".formatted(pcpus, MAX_PCPUS));
    }
    if (vcpus.isPresent() && (vcpus.get() < 1 || vcpus.get() > WorkloadReader.MAX_VCPUS)) {
      throw new UsageException(
          "--vcpus: is %d, and has to be 1 to %d".formatted(vcpus.get(), WorkloadReader.MAX_VCPUS));
    }
    WorkloadReader reader = new WorkloadReader(pcpus);
    for (String text : workloads) {
      reader.addText(text);
    }
    if (workloadFile.isPresent()) {
      reader.addFile(workloadFile.get());
    }
    OptionalInt total = vcpus.map(OptionalInt::of).orElse(OptionalInt.empty());
    if (preset.isPresent() || reader.isEmpty()) {
      Preset chosen = preset.orElse(Preset.MIXED);
      if (total.isEmpty() && reader.isEmpty()) {
        total = chosen.usualVcpus(pcpus);
      }
      chosen.addTo(reader, known.stream().map(SchedulerFactory::name).collect(Collectors.toSet()));
    }
    long measured = duration("--time", time);
    if (measured == 0) {
      throw new UsageException("--time: is 0; write more");
    }
    return new Scenario(
        pcpus,
        new Costs(
            cost("--switch-cost", switchCost),
            cost("--migration-cost", migrationCost),
            cost("--interrupt-cost", interruptCost)),
        warmup.isPresent() ? duration("--warmup", warmup.get()) : measured / 10,
        measured,
        seed,
        reader.workloads(total));
  }

  private static long duration(String option, String text) throws UsageException {
    return Durations.parse(text)
        .orElseThrow(() ->
            new UsageException(
                "%s: \"%s\" is no time of an hour or less; write %s"
                    .formatted(option, text, Durations.FORM)));
  }

  private static long cost(String option, String text) throws UsageException {
    long nanos = duration(option, text);
    if (nanos > Costs.MAX_NANOS) {
      throw new UsageException(
          "%s: is %s, and at most %s can be simulated"
              .formatted(option, text, Durations.show(Costs.MAX_NANOS)));
    }
    return nanos;
  }

  // ------------------------------------------------------------------ writing

  private static void write(Path file, String text) throws UsageException {
    try {
      Files.writeString(file, text);
    } catch (IOException e) {
      throw cannotWrite("--html", file, e);
    }
  }

  private static UsageException cannotWrite(String option, Path file, Exception e) {
    return new UsageException(
        "%s: %s cannot be written (%s); name a file in a directory that can be written"
            .formatted(option, file, e.getClass().getSimpleName()));
  }
}
