package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.trace.TraceSpec;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.trace.TraceFormat;
import dev.domus.toolstack.trace.TraceLog;
import dev.domus.toolstack.trace.TraceRecorder;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;

/**
 * The recording of one run. Records go into the native file, or, where none was asked for, into
 * {@code FILE.part} beside the first; other formats are made of it when the run is over. What goes
 * wrong with files after the guest has started is told, and does not change how the run ends.
 */
final class RunTrace implements AutoCloseable {
  private final List<Path> files;
  private final PrintWriter err;
  private final Path recorded;
  private final boolean keep;
  private final Optional<Recording> flight;
  private final TraceRecorder recorder;

  private RunTrace(
      TraceOptions options, TraceSpec spec, Machine machine, Host host, PrintWriter err)
      throws BadInputException {
    files = options.files();
    this.err = err;
    recorded = options.recorded();
    keep = files.contains(recorded);
    flight =
        files.stream()
            .filter(file -> TraceFormat.of(file) == TraceFormat.JFR)
            .findFirst()
            .map(RunTrace::startFlight);
    try {
      recorder = TraceRecorder.start(machine.trace(), spec, recorded, host.hypercalls());
    } catch (IOException e) {
      flight.ifPresent(Recording::close);
      throw new BadInputException(
          recorded + ": cannot be written (" + e.getMessage() + "); choose another place");
    }
  }

  /** Starts what the options ask for, before guests run. */
  static Optional<RunTrace> start(TraceOptions options, Machine machine, Host host, PrintWriter err)
      throws BadInputException {
    Optional<TraceSpec> spec = options.spec();
    return spec.isEmpty()
        ? Optional.empty()
        : Optional.of(new RunTrace(options, spec.get(), machine, host, err));
  }

  /** Says in the recording what a guest is called. */
  void name(Guest guest) {
    recorder.name(guest.info(), guest.name());
  }

  /** The JVM's own events with the least overhead, and ours. */
  private static Recording startFlight(Path file) {
    try {
      Recording recording = new Recording(Configuration.getConfiguration("default"));
      recording.setName("domus");
      recording.setDestination(file.toAbsolutePath());
      recording.start();
      return recording;
    } catch (IOException | ParseException e) {
      throw new IllegalStateException("the JVM's flight recorder does not start", e);
    }
  }

  @Override
  public void close() {
    flight.ifPresent(recording -> {
      recording.stop();
      recording.close();
    });
    try {
      recorder.close();
    } catch (IOException e) {
      complain(recorded, e);
      return;
    }
    err.printf(
        Locale.ROOT,
        "domus: %,d records traced%s%n",
        recorder.records(),
        recorder.lost() == 0
            ? ""
            : String.format(Locale.ROOT, ", %,d lost; --trace-buffer makes room", recorder.lost()));
    if (files.stream().anyMatch(RunTrace::isMade)) {
      convert();
    }
    if (!keep) {
      delete();
    }
  }

  private static boolean isMade(Path file) {
    return switch (TraceFormat.of(file)) {
      case NATIVE, JFR -> false;
      case PERFETTO, JSON, SCHED -> true;
    };
  }

  private void convert() {
    TraceLog log;
    try {
      log = TraceFormat.read(recorded);
    } catch (BadInputException e) {
      err.println("domus: " + e.getMessage());
      return;
    }
    for (Path file : files) {
      if (isMade(file)) {
        try (OutputStream out = Files.newOutputStream(file)) {
          TraceFormat.of(file).write(log, out);
        } catch (IOException e) {
          complain(file, e);
        }
      }
    }
  }

  private void delete() {
    try {
      Files.deleteIfExists(recorded);
    } catch (IOException e) {
      complain(recorded, e);
    }
  }

  private void complain(Path file, IOException e) {
    err.println("domus: the trace is incomplete: " + file + ": " + e.getMessage());
  }
}
