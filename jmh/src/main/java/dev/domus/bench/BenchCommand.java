package dev.domus.bench;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code domus bench}. */
@Command(
    name = "bench",
    usageHelpAutoWidth = true,
    description =
        "Measure the paths by which memory is made reachable, each beside its lower bound in the same run. "
            + "Figures mean something as ratios: absolute ones do not compare between machines.",
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {
      "0: measured",
      "1: something came to no result, or is slower than --bound allows",
      "2: the command line is wrong"
    })
public final class BenchCommand implements Callable<Integer> {
  private static final int FAILED = 1, BAD_INPUT = 2;
  private static final int ROUNDS = 3;
  private static final DateTimeFormatter STAMP =
      DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneOffset.UTC);

  @Parameters(
      paramLabel = "PATH",
      arity = "0..*",
      description =
          "Paths to measure (--list shows them), or parts of benchmarks' names; default: all.")
  private List<String> wanted = List.of();

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help and exit.")
  private boolean help;

  @Option(
      names = "--list",
      description = "List the paths and their benchmarks, and measure nothing.")
  private boolean list;

  @Option(
      names = "--quick",
      description =
          "One short round, the ends of each parameter, one thread: to look at, not to cite.")
  private boolean quick;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "How often all is measured, each time in new JVMs; default: 3, quick 1.")
  private Optional<Integer> rounds;

  @Option(
      names = "--compare",
      paramLabel = "RUN",
      description = "Show what has changed since an earlier run, a JSON file of this command's.")
  private Optional<Path> compare;

  @Option(
      names = "--vs",
      paramLabel = "REF",
      description =
          "Build that revision of this repository, too, measure both in turns, and show what has changed since.")
  private Optional<String> versus;

  @Option(
      names = "--bound",
      paramLabel = "PERCENT",
      description =
          "With --compare or --vs: fail if a benchmark is slower by more than that, with 95 %% confidence. Needs three rounds of both.")
  private Optional<Double> bound;

  @Option(
      names = "--output",
      paramLabel = "DIR",
      description =
          "Where run.json and report.html go; default: target/bench/TIME in the source tree.")
  private Optional<Path> output;

  private final Path root;
  private final PrintStream out;
  private final PrintStream err;

  private BenchCommand(Path root, PrintStream out, PrintStream err) {
    this.root = root;
    this.out = out;
    this.err = err;
  }

  /** Begins here; the launcher says in {@code domus.root} where the source tree is. */
  public static void main(String[] args) {
    BenchCommand bench =
        new BenchCommand(Path.of(System.getProperty("domus.root", ".")), System.out, System.err);
    CommandLine line = new CommandLine(bench).setCommandName("domus bench");
    line.setExecutionExceptionHandler((failure, command, parsed) -> {
      if (failure instanceof BadInputException) {
        System.err.println("domus: " + failure.getMessage());
        return BAD_INPUT;
      }
      throw failure;
    });
    System.exit(line.execute(args));
  }

  @Override
  public Integer call() throws IOException, InterruptedException, BadInputException {
    Catalogue catalogue = Catalogue.read();
    List<Catalogue.Entry> chosen = choose(catalogue);
    if (list) {
      print(chosen);
      return 0;
    }
    if (rounds.isPresent() && rounds.get() < 1) {
      throw new BadInputException("--rounds: is " + rounds.get() + ", and has to be 1 at least");
    }
    if (bound.isPresent() && compare.isEmpty() && versus.isEmpty()) {
      throw new BadInputException(
          "--bound: there is nothing to compare with; add --compare or --vs");
    }
    Optional<RunFile> earlier =
        compare.isPresent() ? Optional.of(RunFile.read(compare.get())) : Optional.empty();
    Plan plan =
        Plan.of(
            chosen,
            quick,
            Runtime.getRuntime().availableProcessors(),
            rounds.orElse(quick ? 1 : ROUNDS));
    if (plan.trials().isEmpty()) {
      throw new BadInputException("a quick run has none of these paths; leave --quick out");
    }
    return measure(plan, earlier);
  }

  private List<Catalogue.Entry> choose(Catalogue catalogue) throws BadInputException {
    if (wanted.isEmpty()) {
      return catalogue.entries();
    }
    Set<Catalogue.Entry> chosen = new LinkedHashSet<>();
    for (String text : wanted) {
      List<Catalogue.Entry> found = catalogue.paths().get(text);
      if (found == null) {
        found =
            catalogue.entries().stream().filter(entry -> entry.shortName().contains(text)).toList();
      }
      if (found.isEmpty()) {
        throw new BadInputException(
            "there is no path or benchmark \"%s\"; the paths are %s"
                .formatted(text, String.join(", ", catalogue.paths().keySet())));
      }
      chosen.addAll(found);
    }
    return List.copyOf(chosen);
  }

  private void print(List<Catalogue.Entry> entries) {
    String path = "";
    for (Catalogue.Entry entry : entries) {
      if (!entry.path().equals(path)) {
        path = entry.path();
        out.println(path);
      }
      String parameters = entry.parameters().isEmpty() ? "" : " " + entry.parameters().toString();
      out.printf("  %s%s: %s%n", entry.shortName(), parameters, entry.what());
    }
  }

  private int measure(Plan plan, Optional<RunFile> earlier)
      throws IOException, InterruptedException, BadInputException {
    Instant began = Instant.now();
    Revision revisions = new Revision(root);
    Path directory = output.orElse(root.resolve("target/bench").resolve(STAMP.format(began)));
    Files.createDirectories(directory);
    Path ownJar = ownJar();
    List<JmhProcess> jars = new ArrayList<>(List.of(new JmhProcess(ownJar, directory)));
    Optional<String> other = Optional.empty();
    if (versus.isPresent()) {
      String commit = revisions.commit(versus.get());
      err.printf("domus bench: building %s (%s), unless it is there%n", versus.get(), commit);
      jars.add(
          new JmhProcess(
              revisions.benchmarks(commit, root.resolve("target/bench/revisions")), directory));
      other = Optional.of(commit);
    }
    MachineInfo machine = MachineInfo.read();
    Session session = new Session(plan, jars, new Progress(err, System.console() != null));
    session.run();
    RunFile run = file(session, 0, plan, began, revisions.current(), machine);
    run.write(directory.resolve("run.json"));
    if (other.isPresent()) {
      RunFile old = file(session, 1, plan, began, other.get(), machine);
      old.write(directory.resolve("vs.json"));
      earlier = Optional.of(old);
    }
    Optional<Comparison> comparison = earlier.map(old -> Comparison.of(old, run));
    new HtmlReport(run, comparison).write(directory.resolve("report.html"));
    return tell(run, comparison, directory);
  }

  private static Path ownJar() {
    return Path.of(
        BenchCommand.class.getProtectionDomain().getCodeSource().getLocation().getPath());
  }

  private RunFile file(
      Session session, int jar, Plan plan, Instant began, String revision, MachineInfo machine) {
    return new RunFile(
        RunFile.FORMAT,
        began,
        revision,
        quick,
        machine,
        plan.subjects().stream()
            .map(subject ->
                new RunFile.Subject(
                    subject.entry().path(),
                    subject.entry().what(),
                    subject.trial(),
                    subject.floor()))
            .toList(),
        session.samples(jar),
        session.failures());
  }

  private int tell(RunFile run, Optional<Comparison> comparison, Path directory) {
    Tables.print(run, out);
    Map<String, Sample> samples = run.byKey();
    for (RunFile.Subject subject : run.subjects()) {
      Sample sample = samples.get(subject.trial().key());
      Sample floor = samples.get(subject.floor().key());
      if (sample != null && floor != null && sample.quantile(0.9) < floor.quantile(0.1)) {
        err.printf(
            "domus bench: %s is faster than its lower bound %s: one of the two does not measure what it says%n",
            subject.trial().label(), subject.floor().label());
      }
    }
    if (comparison.isPresent()) {
      out.println();
      Tables.print(comparison.get(), out);
    }
    out.printf(
        "%nrun %s, report %s%n", directory.resolve("run.json"), directory.resolve("report.html"));
    run.failures().forEach(failure -> err.println("domus bench: no result: " + failure));
    boolean tooSlow = false;
    if (bound.isPresent()) {
      for (Comparison.Change change : comparison.orElseThrow().beyond(bound.get())) {
        tooSlow = true;
        err.printf(
            "domus bench: %s takes %s times as long as before (95 %%: %s at least); the bound is %s %%%n",
            change.subject().trial().label(),
            Tables.number(change.ratio().value()),
            Tables.number(change.ratio().low()),
            Tables.number(bound.get()));
      }
    }
    return run.failures().isEmpty() && !tooSlow ? 0 : FAILED;
  }
}
