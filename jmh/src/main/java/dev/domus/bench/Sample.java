package dev.domus.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What was measured of one trial: nanoseconds an operation, one value an iteration of each round.
 *
 * @param trial what was measured
 * @param rounds the values, by round, in the order in which they came
 * @param bytesPerOperation what an operation allocated on the Java heap, the least seen of all
 *     rounds: the harness's own allocations only add to it
 */
record Sample(Trial trial, List<List<Double>> rounds, double bytesPerOperation) {
  Sample {
    rounds = rounds.stream().map(List::copyOf).toList();
  }

  /** This one with the rounds of another, which measured the same. */
  Sample and(Sample later) {
    List<List<Double>> all = new ArrayList<>(rounds);
    all.addAll(later.rounds);
    return new Sample(trial, all, Math.min(bytesPerOperation, later.bytesPerOperation));
  }

  /** The value that a share of all values is not above. */
  double quantile(double share) {
    double[] sorted = sorted();
    double at = share * (sorted.length - 1);
    int below = (int) Math.floor(at);
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
  }

  /** The middle of the values, nanoseconds an operation. */
  double median() {
    return quantile(0.5);
  }

  /** All values, ascending. */
  double[] sorted() {
    double[] sorted =
        rounds.stream().flatMap(List::stream).mapToDouble(Double::doubleValue).toArray();
    Arrays.sort(sorted);
    return sorted;
  }

  /** The values of each round. */
  List<double[]> arrays() {
    return rounds.stream()
        .map(round -> round.stream().mapToDouble(Double::doubleValue).toArray())
        .toList();
  }
}
