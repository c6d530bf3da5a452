package dev.domus.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A plan being carried out, by one jar or by several in turn: each trial of a round is measured
 * with every jar before the next trial comes, and who is first changes from round to round, so that
 * what the host does meanwhile meets all alike.
 */
final class Session {
  private final Plan plan;
  private final List<JmhProcess> jars;
  private final Progress progress;
  private final List<Map<String, Sample>> samples = new ArrayList<>();
  private final List<String> failures = new ArrayList<>();
  private final List<String> failedKeys = new ArrayList<>();

  Session(Plan plan, List<JmhProcess> jars, Progress progress) {
    this.plan = plan;
    this.jars = List.copyOf(jars);
    this.progress = progress;
    jars.forEach(jar -> samples.add(new LinkedHashMap<>()));
  }

  /** Runs it to its end. What fails once is not tried again, and the rest goes on. */
  void run() throws IOException, InterruptedException {
    progress.begin(plan, jars.size());
    for (int round = 0; round < plan.rounds(); round++) {
      for (Trial trial : plan.trials()) {
        for (int turn = 0; turn < jars.size(); turn++) {
          measure((round + turn) % jars.size(), trial);
        }
      }
    }
    progress.end();
  }

  private void measure(int jar, Trial trial) throws IOException, InterruptedException {
    String failedKey = jar + " " + trial.key();
    if (failedKeys.contains(failedKey)) {
      progress.skipped();
      return;
    }
    progress.measuring(trial);
    try {
      Sample sample = jars.get(jar).round(trial, plan.pace());
      samples.get(jar).merge(trial.key(), sample, Sample::and);
    } catch (JmhProcess.FailedException e) {
      failedKeys.add(failedKey);
      failures.add(e.getMessage());
      progress.failed(e.getMessage());
    }
    progress.done();
  }

  /** What a jar's trials came to, in the order of the plan. */
  List<Sample> samples(int jar) {
    return List.copyOf(samples.get(jar).values());
  }

  /** What came to no result. */
  List<String> failures() {
    return List.copyOf(failures);
  }
}
