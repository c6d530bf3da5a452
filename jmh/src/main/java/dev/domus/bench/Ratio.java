package dev.domus.bench;

import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * How many times as long one thing takes as another, with the interval in which the ratio of the
 * medians lies with 95 % confidence. By the percentile bootstrap (Efron and Tibshirani, An
 * Introduction to the Bootstrap, 1993, chapter 13), which asks for no distribution: times have long
 * tails. Iterations of one JVM are not independent, so what is drawn is rounds first, then
 * iterations of each.
 *
 * @param value the ratio of the medians
 * @param low lower end
 * @param high upper end
 */
record Ratio(double value, double low, double high) {
  private static final int DRAWS = 2000;
  private static final long SEED = 42;

  /**
   * The ratio of two samples.
   *
   * @param above values of the one, by round
   * @param below values of the other, by round
   */
  static Ratio of(List<double[]> above, List<double[]> below) {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
    double[] ratios = new double[DRAWS];
    for (int i = 0; i < DRAWS; i++) {
      ratios[i] = drawnMedian(above, random) / drawnMedian(below, random);
    }
    Arrays.sort(ratios);
    return new Ratio(
        median(joined(above)) / median(joined(below)),
        ratios[DRAWS * 25 / 1000],
        ratios[DRAWS * 975 / 1000]);
  }

  private static double drawnMedian(List<double[]> rounds, RandomGenerator random) {
    double[] drawn = new double[rounds.stream().mapToInt(round -> round.length).sum()];
    int at = 0;
    for (int i = 0; i < rounds.size(); i++) {
      double[] round = rounds.get(random.nextInt(rounds.size()));
      for (int j = 0; j < rounds.get(i).length; j++) {
        drawn[at++] = round[random.nextInt(round.length)];
      }
    }
    return median(drawn);
  }

  private static double[] joined(List<double[]> rounds) {
    return rounds.stream().flatMapToDouble(Arrays::stream).toArray();
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    int middle = values.length / 2;
    return values.length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  }
}
