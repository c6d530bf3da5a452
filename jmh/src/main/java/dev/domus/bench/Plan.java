package dev.domus.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * What a run measures, and how long each takes. A floor stands right before the first benchmark
 * that it bounds, so that both see the same machine; the whole list is gone through several times,
 * for a machine changes in minutes more than in seconds, and each time in a JVM of its own, for the
 * JIT's choices differ from one JVM to the next.
 *
 * @param trials what is measured in each round, floors among it
 * @param subjects those of them that are not only floors, with their floors
 * @param rounds how often
 * @param pace how long
 */
record Plan(List<Trial> trials, List<Subject> subjects, int rounds, Pace pace) {
  /**
   * A benchmark beside its floor.
   *
   * @param entry what the catalogue says of it
   * @param trial the measurement
   * @param floor its lower bound's
   */
  record Subject(Catalogue.Entry entry, Trial trial, Trial floor) {}

  /**
   * The time a JVM spends on a trial.
   *
   * @param warmups iterations that are not counted
   * @param iterations iterations that are
   * @param millis how long each is
   */
  record Pace(int warmups, int iterations, int millis) {
    static final Pace FULL = new Pace(12, 20, 100), QUICK = new Pace(5, 8, 100);

    /** What starting a JVM, setting up and taking down take besides, roughly. */
    private static final int OVERHEAD_MILLIS = 1500;

    Duration ofTrial() {
      return Duration.ofMillis((long) (warmups + iterations) * millis + OVERHEAD_MILLIS);
    }
  }

  /**
   * Plans a run.
   *
   * @param entries the benchmarks
   * @param quick whether it is only to be looked at: one round, smallest and largest value of each
   *     parameter, one thread
   * @param cpus how many processors there are: more threads than that are not run
   */
  static Plan of(List<Catalogue.Entry> entries, boolean quick, int cpus, int rounds) {
    Set<Trial> trials = new LinkedHashSet<>();
    List<Subject> subjects = new ArrayList<>();
    for (Catalogue.Entry entry : entries) {
      if (quick && !entry.quick()) {
        continue;
      }
      for (Map<String, String> values : combinations(entry.parameters(), quick)) {
        for (int threads : entry.threads()) {
          if (threads > cpus || quick && threads != entry.threads().getFirst()) {
            continue;
          }
          Trial floor = new Trial(entry.floor(), threads, only(values, entry.floor()));
          Trial trial = new Trial(entry.benchmark(), threads, values);
          trials.add(floor);
          trials.add(trial);
          subjects.add(new Subject(entry, trial, floor));
        }
      }
    }
    return new Plan(
        List.copyOf(trials), List.copyOf(subjects), rounds, quick ? Pace.QUICK : Pace.FULL);
  }

  private static Map<String, String> only(Map<String, String> values, String benchmark) {
    Map<String, String> its = new TreeMap<>(values);
    its.keySet().retainAll(Catalogue.parameters(benchmark).keySet());
    return its;
  }

  private static List<Map<String, String>> combinations(
      Map<String, List<String>> parameters, boolean quick) {
    List<Map<String, String>> combinations = List.of(Map.of());
    for (var parameter : parameters.entrySet()) {
      List<String> values = parameter.getValue();
      if (quick && values.size() > 2) {
        values = List.of(values.getFirst(), values.getLast());
      }
      List<Map<String, String>> longer = new ArrayList<>();
      for (Map<String, String> begun : combinations) {
        for (String value : values) {
          Map<String, String> one = new TreeMap<>(begun);
          one.put(parameter.getKey(), value);
          longer.add(one);
        }
      }
      combinations = longer;
    }
    return combinations;
  }

  /** How long it will take, roughly. */
  Duration estimate() {
    return pace.ofTrial().multipliedBy((long) trials.size() * rounds);
  }
}
