package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.toolstack.BadInputException;
import java.io.BufferedOutputStream;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.OptionalInt;

/** What a recording is written as, by the ending of its file's name. */
public enum TraceFormat {
  /** {@link TraceFile}: everything, and what {@code domus trace} reads. */
  NATIVE,

  /** For Perfetto's viewer. */
  PERFETTO,

  /** An object a line. */
  JSON,

  /** The JVM's flight recorder's. Not made of records: they are events when they happen. */
  JFR,

  /** {@link SchedExport}. */
  SCHED;

  /** The format that a file's name asks for. */
  public static TraceFormat of(Path file) {
    String name = file.getFileName().toString();
    if (name.endsWith(".pftrace") || name.endsWith(".perfetto-trace")) {
      return PERFETTO;
    }
    if (name.endsWith(".json") || name.endsWith(".jsonl")) {
      return JSON;
    }
    if (name.endsWith(".jfr")) {
      return JFR;
    }
    return name.endsWith(".sched") ? SCHED : NATIVE;
  }

  /**
   * Reads a recording.
   *
   * @throws BadInputException if the file is none
   */
  public static TraceLog read(Path file) throws BadInputException {
    return TraceFileReader.read(file);
  }

  /**
   * Writes a recording as this format.
   *
   * @param out closed by the caller
   * @throws IOException if that fails
   */
  public void write(TraceLog log, OutputStream out) throws IOException {
    switch (this) {
      case PERFETTO -> {
        BufferedOutputStream buffered = new BufferedOutputStream(out, 1 << 16);
        PerfettoExport.write(log, buffered);
        buffered.flush();
      }
      case JSON -> {
        PrintWriter text = text(out);
        new RecordList(everything()).printJson(log, text);
        check(text);
      }
      case SCHED -> {
        PrintWriter text = text(out);
        SchedExport.write(log, text);
        check(text);
      }
      case NATIVE, JFR -> throw new IllegalArgumentException("not made of a recording: " + this);
    }
  }

  private static RecordList.Filter everything() {
    OptionalInt any = OptionalInt.empty();
    return new RecordList.Filter(
        EnumSet.allOf(TraceEvent.class),
        any,
        any,
        any,
        Long.MIN_VALUE,
        Long.MAX_VALUE,
        Long.MAX_VALUE);
  }

  private static PrintWriter text(OutputStream out) {
    return new PrintWriter(
        new BufferedWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8), 1 << 16));
  }

  private static void check(PrintWriter text) throws IOException {
    if (text.checkError()) {
      throw new IOException("the output could not be written");
    }
  }
}
