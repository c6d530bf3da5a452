package dev.domus.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/**
 * JMH of one benchmark jar, as a process: so that the jar may be another revision's, and a
 * benchmark that hangs or dies takes nothing along.
 */
final class JmhProcess {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What a trial may take beyond its plan, before it is taken for hung. */
  private static final int PATIENCE = 20, LEAST_PATIENCE_SECONDS = 120;

  /** Values that are kept of a round whose operations are timed one by one. */
  private static final int QUANTILES = 100;

  private static final Map<String, Double> NANOS_PER_UNIT =
      Map.of("ns/op", 1.0, "us/op", 1e3, "ms/op", 1e6, "s/op", 1e9);
  private static final Map<String, Double> NANOS_PER_RATE =
      Map.of("ops/ns", 1.0, "ops/us", 1e3, "ops/ms", 1e6, "ops/s", 1e9);

  private final Path jar;
  private final Path directory;

  /**
   * Runs benchmarks of a jar.
   *
   * @param directory for logs and results that are under way
   */
  JmhProcess(Path jar, Path directory) {
    this.jar = jar;
    this.directory = directory;
  }

  /** One round of one trial did not come to a result. */
  static final class FailedException extends Exception {
    private static final long serialVersionUID = 1L;

    FailedException(String message) {
      super(message);
    }
  }

  /**
   * Measures one round, in a JVM of its own.
   *
   * @throws FailedException if the benchmark threw, hung, or is not in the jar; the message ends
   *     with what it said last
   */
  Sample round(Trial trial, Plan.Pace pace)
      throws IOException, InterruptedException, FailedException {
    Path result = Files.createTempFile(directory, "round", ".json");
    Path log = directory.resolve("jmh.log");
    Process process =
        new ProcessBuilder(command(trial, pace, result))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      process.getOutputStream().close();
      long patience = Math.max(LEAST_PATIENCE_SECONDS, pace.ofTrial().toSeconds() * PATIENCE);
      if (!process.waitFor(patience, TimeUnit.SECONDS)) {
        throw failed(trial, "has not ended after " + patience + " s", log);
      }
      return read(trial, result, log);
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
      Files.deleteIfExists(result);
    }
  }

  private List<String> command(Trial trial, Plan.Pace pace, Path result) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-jar", jar.toString()));
    command.add("^" + Pattern.quote(trial.benchmark()) + "$");
    command.addAll(List.of("-f", "1", "-foe", "true", "-prof", "gc"));
    command.addAll(List.of("-wi", Integer.toString(pace.warmups()), "-w", pace.millis() + "ms"));
    command.addAll(List.of("-i", Integer.toString(pace.iterations()), "-r", pace.millis() + "ms"));
    command.addAll(List.of("-t", Integer.toString(trial.threads())));
    trial.parameters().forEach((name, value) -> command.addAll(List.of("-p", name + "=" + value)));
    command.addAll(List.of("-rf", "json", "-rff", result.toString()));
    return command;
  }

  private static Sample read(Trial trial, Path result, Path log)
      throws IOException, FailedException {
    JsonNode runs = Files.size(result) == 0 ? null : JSON.readTree(Files.readString(result));
    if (runs == null || runs.size() != 1) {
      throw failed(trial, "came to no result", log);
    }
    JsonNode primary = runs.get(0).get("primaryMetric");
    String unit = primary.get("scoreUnit").asString();
    List<Double> nanos =
        primary.has("rawDataHistogram")
            ? ofHistogram(primary.get("rawDataHistogram"), unit)
            : ofIterations(primary.get("rawData"), unit);
    return new Sample(trial, List.of(nanos), allocated(runs.get(0)));
  }

  private static List<Double> ofIterations(JsonNode forks, String unit) {
    List<Double> nanos = new ArrayList<>();
    for (JsonNode fork : forks) {
      for (JsonNode iteration : fork) {
        nanos.add(nanos(iteration.asDouble(), unit));
      }
    }
    return nanos;
  }

  /** Of operations that were timed one by one, {@value #QUANTILES} that divide them evenly. */
  private static List<Double> ofHistogram(JsonNode forks, String unit) {
    TreeMap<Double, Long> counts = new TreeMap<>();
    for (JsonNode fork : forks) {
      for (JsonNode iteration : fork) {
        for (JsonNode bin : iteration) {
          counts.merge(nanos(bin.get(0).asDouble(), unit), bin.get(1).asLong(), Long::sum);
        }
      }
    }
    long all = counts.values().stream().mapToLong(Long::longValue).sum();
    List<Double> nanos = new ArrayList<>();
    long seen = 0;
    for (var bin : counts.entrySet()) {
      seen += bin.getValue();
      while (nanos.size() < QUANTILES && (nanos.size() + 0.5) / QUANTILES * all <= seen) {
        nanos.add(bin.getKey());
      }
    }
    return nanos;
  }

  private static double nanos(double score, String unit) {
    Double perOperation = NANOS_PER_UNIT.get(unit);
    if (perOperation != null) {
      return score * perOperation;
    }
    return Optional.ofNullable(NANOS_PER_RATE.get(unit))
            .orElseThrow(() -> new IllegalStateException("unknown unit of a score: " + unit))
        / score;
  }

  private static double allocated(JsonNode run) {
    for (var metric : run.get("secondaryMetrics").properties()) {
      if (metric.getKey().endsWith("gc.alloc.rate.norm")) {
        return metric.getValue().get("score").asDouble();
      }
    }
    return Double.NaN;
  }

  private static FailedException failed(Trial trial, String problem, Path log) throws IOException {
    List<String> lines = Files.readAllLines(log);
    String cause =
        lines.stream()
            .filter(line -> line.contains("Exception") || line.startsWith("No matching"))
            .findFirst()
            .orElse(lines.isEmpty() ? "it said nothing" : lines.getLast());
    return new FailedException(trial.label() + " " + problem + ": " + cause.strip());
  }
}
