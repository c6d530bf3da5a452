package dev.domus.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * A run, as it is kept: JSON with the machine's description, what was measured against what, and
 * every value. The field {@code format} says which layout it is, so that a later version can tell
 * an older file.
 *
 * @param format {@value #FORMAT}
 * @param began when, in UTC
 * @param revision of the sources
 * @param quick whether it was a quick run, whose figures are rough
 * @param machine where
 * @param subjects what was measured beside what
 * @param samples the values, of floors, too
 * @param failures what came to no result, in a sentence each
 */
record RunFile(
    String format,
    Instant began,
    String revision,
    boolean quick,
    MachineInfo machine,
    List<Subject> subjects,
    List<Sample> samples,
    List<String> failures) {
  static final String FORMAT = "domus-bench-1";

  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  /**
   * A benchmark beside its floor.
   *
   * @param path the path
   * @param what one operation, in a line
   * @param trial its measurement
   * @param floor the lower bound's
   */
  record Subject(String path, String what, Trial trial, Trial floor) {}

  RunFile {
    subjects = List.copyOf(subjects);
    samples = List.copyOf(samples);
    failures = List.copyOf(failures);
  }

  /** The samples by {@link Trial#key}. */
  Map<String, Sample> byKey() {
    return samples.stream()
        .collect(Collectors.toMap(sample -> sample.trial().key(), Function.identity()));
  }

  /** Writes it as a whole or not at all. */
  void write(Path file) throws IOException {
    Path fresh = file.resolveSibling(file.getFileName() + ".new");
    Files.writeString(fresh, JSON.writeValueAsString(this));
    Files.move(
        fresh,
        file,
        java.nio.file.StandardCopyOption.REPLACE_EXISTING,
        java.nio.file.StandardCopyOption.ATOMIC_MOVE);
  }

  /**
   * Reads one.
   *
   * @throws BadInputException if it cannot be read, or is none
   */
  static RunFile read(Path file) throws BadInputException {
    try {
      RunFile run = JSON.readValue(Files.readString(file), RunFile.class);
      if (!FORMAT.equals(run.format())) {
        throw new BadInputException(
            "%s: its format is %s, and this version reads %s; measure again"
                .formatted(file, run.format(), FORMAT));
      }
      return run;
    } catch (IOException e) {
      throw new BadInputException(
          "%s: cannot be read (%s); \"domus bench\" writes such a file"
              .formatted(file, e.getClass().getSimpleName()));
    } catch (JacksonException | NullPointerException e) {
      throw new BadInputException(
          file + ": is no run of \"domus bench\"; give a file that it has written");
    }
  }
}
