package dev.domus.kernel.model;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** How often each class of operation was tried, and what came of it. */
final class Tally {
  private final Map<String, Map<String, Integer>> outcomes = new TreeMap<>();

  void count(String operation, String outcome) {
    outcomes.computeIfAbsent(operation, o -> new TreeMap<>()).merge(outcome, 1, Integer::sum);
  }

  /** All operations counted. */
  long operations() {
    return outcomes.values().stream()
        .flatMap(o -> o.values().stream())
        .mapToLong(Integer::longValue)
        .sum();
  }

  /** Classes of operation that never came to a certain end. */
  List<String> without(String outcome, List<String> operations) {
    return operations.stream()
        .filter(o -> !outcomes.getOrDefault(o, Map.of()).containsKey(outcome))
        .toList();
  }

  @Override
  public String toString() {
    StringBuilder lines = new StringBuilder();
    lines.append("%d operations of %d classes".formatted(operations(), outcomes.size()));
    outcomes.forEach(
        (operation, results) -> lines.append("\n  ").append(operation).append(results));
    return lines.toString();
  }
}
