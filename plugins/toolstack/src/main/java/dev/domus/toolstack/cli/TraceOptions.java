package dev.domus.toolstack.cli;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceSpec;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.trace.SchedExport;
import dev.domus.toolstack.trace.TraceFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

  /** Where records go: the native file, or one beside the first of the others. */
  Path recorded() {
    return files.stream()
        .filter(file -> TraceFormat.of(file) == TraceFormat.NATIVE)
        .findFirst()
        .orElseGet(() -> Path.of(files.getFirst() + ".part"));
  }

  /**
   * Judges the options, and opens each file once: before anything is started.
   *
   * @throws BadInputException if an option is wrong, or a file cannot be written
   */
  void check() throws BadInputException {
    if (spec().isEmpty()) {
      return;
    }
    List<Path> written = new ArrayList<>(files);
    written.add(recorded());
    for (Path file : written) {
      try {
        Files.newOutputStream(file).close();
      } catch (IOException e) {
        throw new BadInputException(
            "--trace: " + file + " cannot be written; name a file in a directory that is there");
      }
    }
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
    requireAtMostOne(TraceFormat.NATIVE, "of the kind that domus trace reads");
    requireAtMostOne(TraceFormat.JFR, "a flight recording");
    if (files.stream().anyMatch(file -> TraceFormat.of(file) == TraceFormat.SCHED)
        && !wanted.containsAll(SchedExport.NEEDED)) {
      throw new BadInputException(
          "--trace-events: a .sched file is made of all events of scheduling; add sched");
    }
    boolean flight = files.stream().anyMatch(file -> TraceFormat.of(file) == TraceFormat.JFR);
    return Optional.of(new TraceSpec(wanted, bufferRecords, flight));
  }

  private void requireAtMostOne(TraceFormat format, String kind) throws BadInputException {
    if (files.stream().filter(file -> TraceFormat.of(file) == format).count() > 1) {
      throw new BadInputException(
          "--trace: only one file can be " + kind + "; leave one out, or copy it afterwards");
    }
  }
}
