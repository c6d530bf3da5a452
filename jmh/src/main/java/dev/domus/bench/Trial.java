package dev.domus.bench;

import java.util.Map;
import java.util.TreeMap;

/**
 * One thing to measure.
 *
 * @param benchmark its full name
 * @param threads how many threads do it at once
 * @param parameters name to value
 */
record Trial(String benchmark, int threads, Map<String, String> parameters) {
  Trial {
    parameters = new TreeMap<>(parameters);
  }

  /** By which two runs find that they have measured the same. */
  String key() {
    return "%s t=%d %s".formatted(benchmark, threads, parameters);
  }

  /** For people. */
  String label() {
    StringBuilder label = new StringBuilder(Catalogue.shortName(benchmark));
    parameters.forEach((name, value) -> label.append(' ').append(name).append('=').append(value));
    if (threads != 1) {
      label.append(" threads=").append(threads);
    }
    return label.toString();
  }
}
