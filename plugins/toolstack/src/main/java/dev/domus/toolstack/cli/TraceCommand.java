package dev.domus.toolstack.cli;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.trace.RecordList;
import dev.domus.toolstack.trace.SchedExport;
import dev.domus.toolstack.trace.TraceFormat;
import dev.domus.toolstack.trace.TraceLog;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code domus trace}: what a recorded trace says. */
@Command(
    name = "trace",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Show what domus run --trace FILE has recorded.",
      "",
      "Without options: who ran how much, waited how long and was woken how often, what hypercalls took, who sent events to whom.%n"
    },
    exitCodeListHeading = "%nExit statuses:%n",
    exitCodeList = {"0:done", "2:a wrong command line, or the file cannot be used"},
    footerHeading = "%nExamples:%n",
    footer = {
      "  domus run --kernel guest-kernels/images/spin.elf --cmdline seconds=3 --trace spin.trace",
      "  domus trace spin.trace",
      "  domus trace spin.trace --list --vcpu d1v0 --events wake,switch-in --limit 20",
      "  domus trace spin.trace --export perfetto --output spin.pftrace"
    })
final class TraceCommand implements Callable<Integer> {
  private static final Pattern VCPU = Pattern.compile("d(\\d{1,5})v(\\d{1,5})");
  private static final double NANOS_A_MILLI = 1e6;

  /** What a recording can be turned into. */
  enum Export {
    PERFETTO(TraceFormat.PERFETTO),
    JSON(TraceFormat.JSON),
    SCHED(TraceFormat.SCHED);

    private final TraceFormat format;

    Export(TraceFormat format) {
      this.format = format;
    }
  }

  private final PrintWriter out;

  @Parameters(paramLabel = "FILE", description = "The recording.")
  private Path file;

  @Option(names = "--json", description = "Print JSON; with --list an object a line.")
  private boolean json;

  @Option(names = "--list", description = "List records instead of summing up.")
  private boolean list;

  @Option(
      names = "--events",
      paramLabel = "LIST",
      description = "With --list, only these: " + TraceEvents.HELP + ".")
  private Optional<String> events;

  @Option(
      names = "--vcpu",
      paramLabel = "dNvN",
      description = "With --list, only about this vCPU, such as d1v0.")
  private Optional<String> vcpu;

  @Option(
      names = "--domain",
      paramLabel = "ID",
      description = "With --list, only about this domain.")
  private Optional<Integer> domain;

  @Option(names = "--pcpu", paramLabel = "N", description = "With --list, only on this pCPU.")
  private Optional<Integer> pcpu;

  @Option(
      names = "--from",
      paramLabel = "MS",
      defaultValue = "0",
      description = "With --list, from this time on, in ms since recording began.")
  private double fromMillis;

  @Option(names = "--to", paramLabel = "MS", description = "With --list, before this time.")
  private Optional<Double> toMillis;

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "With --list, so many records at most.")
  private Optional<Long> limit;

  @Option(
      names = "--export",
      paramLabel = "FORMAT",
      description =
          "Write it as perfetto (for ui.perfetto.dev), json (an object a line), or sched (for simulators of schedulers).")
  private Optional<Export> export;

  @Option(
      names = "--output",
      paramLabel = "FILE",
      description = "With --export, where to; default: standard output.")
  private Optional<Path> output;

  TraceCommand(PrintWriter out) {
    this.out = out;
  }

  @Override
  public Integer call() throws BadInputException {
    requireTogether();
    TraceLog log = TraceFormat.read(file);
    if (export.isPresent()) {
      write(log, export.get());
    } else if (list) {
      RecordList records = new RecordList(filter());
      if (json) {
        records.printJson(log, out);
      } else {
        records.printText(log, out);
      }
    } else if (json) {
      new TraceTables(log).printJson(out);
    } else {
      new TraceTables(log).printText(out);
    }
    return ExitStatus.OK;
  }

  private void requireTogether() throws BadInputException {
    boolean filters =
        events.isPresent()
            || vcpu.isPresent()
            || domain.isPresent()
            || pcpu.isPresent()
            || fromMillis != 0
            || toMillis.isPresent()
            || limit.isPresent();
    if (filters && !list) {
      throw new BadInputException(
          "--events, --vcpu, --domain, --pcpu, --from, --to and --limit choose what is listed; add --list");
    }
    if (export.isPresent() && (list || json)) {
      throw new BadInputException(
          "--export: goes with neither --list nor --json; --export json writes JSON");
    }
    if (output.isPresent() && export.isEmpty()) {
      throw new BadInputException("--output: goes with --export FORMAT; add that");
    }
  }

  private RecordList.Filter filter() throws BadInputException {
    Set<TraceEvent> wanted =
        events.isPresent()
            ? TraceEvents.parse("--events", events.get())
            : EnumSet.allOf(TraceEvent.class);
    OptionalInt wantedVcpu = OptionalInt.empty();
    if (vcpu.isPresent()) {
      Matcher label = VCPU.matcher(vcpu.get());
      if (!label.matches()) {
        throw new BadInputException(
            "--vcpu: "
                + BadInputException.quote(vcpu.get())
                + " is no vCPU; write dDOMAINvNUMBER, such as d1v0");
      }
      wantedVcpu =
          OptionalInt.of(
              TraceRecord.vcpuKey(
                  Integer.parseInt(label.group(1)), Integer.parseInt(label.group(2))));
    }
    return new RecordList.Filter(
        wanted,
        optional(domain),
        wantedVcpu,
        optional(pcpu),
        (long) (fromMillis * NANOS_A_MILLI),
        toMillis.map(to -> (long) (to * NANOS_A_MILLI)).orElse(Long.MAX_VALUE),
        limit.orElse(Long.MAX_VALUE));
  }

  private static OptionalInt optional(Optional<Integer> number) {
    return number.map(OptionalInt::of).orElseGet(OptionalInt::empty);
  }

  private void write(TraceLog log, Export wanted) throws BadInputException {
    if (wanted == Export.SCHED && !log.events().containsAll(SchedExport.NEEDED)) {
      throw new BadInputException(
          file
              + ": was recorded without all events of scheduling; record with --trace-events sched");
    }
    String place = output.map(Path::toString).orElse("standard output");
    try (OutputStream bytes =
        output.isPresent()
            ? Files.newOutputStream(output.get())
            : new FileOutputStream(FileDescriptor.out)) {
      wanted.format.write(log, bytes);
    } catch (IOException e) {
      throw new BadInputException(
          place + ": cannot be written (" + e.getMessage() + "); choose another place");
    }
  }
}
