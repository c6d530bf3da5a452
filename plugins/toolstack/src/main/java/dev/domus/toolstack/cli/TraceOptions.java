package dev.domus.toolstack.cli;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceSpec;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.trace.SchedExport;
import dev.domus.toolstack.trace.TraceFormat;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Option;

/** What {@code domus run} is told to record. */
final class TraceOptions {
  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description =
          "Record what happens on the machine. Read the file with domus trace; FILE.pftrace is for ui.perfetto.dev, FILE.jfr for JDK tools, FILE.json has an object a line, FILE.sched is for schedulers' simulators. May be given more than once.")
  private List<Path> files = List.of();

  @Option(
      names = "--trace-events",
      paramLabel = "LIST",
      description = "What to record: " + TraceEvents.HELP + "; default: all.")
  private Optional<String> events;

  @Option(
      names = "--trace-buffer",
      paramLabel = "N",
      defaultValue = "65536",
      description =
          "Records that a pCPU's buffer holds until they are written, 16 to 16777216; default: ${DEFAULT-VALUE}. A record has 32 bytes.")
  private int bufferRecords;

  /** The files, at most one of them native, and no two the same. */
  List<Path> files() {
    return files;
  }

  /**
   * What is to be recorded; nothing if there is no file.
   *
   * @throws BadInputException if an option is wrong
   */
  Optional<TraceSpec> spec() throws BadInputException {
    if (files.isEmpty()) {
      if (events.isPresent()) {
        throw new BadInputException("--trace-events: goes with --trace FILE; give that too");
      }
      return Optional.empty();
    }
    Set<TraceEvent> wanted =
        events.isPresent()
            ? TraceEvents.parse("--trace-events", events.get())
            : EnumSet.allOf(TraceEvent.class);
    if (bufferRecords < TraceSpec.LEAST_RECORDS || bufferRecords > TraceSpec.MOST_RECORDS) {
      throw new BadInputException(
          "--trace-buffer: is "
              + bufferRecords
              + ", and has to be "
              + TraceSpec.LEAST_RECORDS
              + " to "
              + TraceSpec.MOST_RECORDS);
    }
    if (files.stream().filter(file -> TraceFormat.of(file) == TraceFormat.NATIVE).count() > 1) {
      throw new BadInputException(
          "--trace: only one file can be of the kind that domus trace reads; leave one out, or copy it afterwards");
    }
    if (files.stream().anyMatch(file -> TraceFormat.of(file) == TraceFormat.SCHED)
        && !wanted.containsAll(SchedExport.NEEDED)) {
      throw new BadInputException(
          "--trace-events: a .sched file is made of all events of scheduling; add sched");
    }
    boolean flight = files.stream().anyMatch(file -> TraceFormat.of(file) == TraceFormat.JFR);
    return Optional.of(new TraceSpec(wanted, bufferRecords, flight));
  }
}
