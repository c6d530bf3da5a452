package dev.domus.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RatioTest {
  private final Random random = new Random(7);

  private List<double[]> rounds(double median, double spread, double betweenRounds) {
    return java.util.stream.Stream.generate(
            () -> {
              double centre = median * (1 + betweenRounds * random.nextGaussian());
              return random.doubles(20).map(u -> centre * (1 + spread * (u - 0.5))).toArray();
            })
        .limit(3)
        .toList();
  }

  @Test
  void aDifferenceBeyondTheNoiseIsOutsideOfTheIntervalAroundOne() {
    Ratio ratio = Ratio.of(rounds(120, 0.05, 0), rounds(100, 0.05, 0));
    assertEquals(1.2, ratio.value(), 0.02);
    assertTrue(ratio.low() > 1.15 && ratio.high() < 1.25, ratio::toString);
  }

  /** Of samples that do not differ, the interval misses 1 no more often than it may. */
  @Test
  void noDifferenceIsSeldomCalledOne() {
    int missed = 0;
    for (int i = 0; i < 200; i++) {
      Ratio ratio = Ratio.of(rounds(100, 0.2, 0), rounds(100, 0.2, 0));
      missed += ratio.low() > 1 || ratio.high() < 1 ? 1 : 0;
    }
    assertTrue(missed <= 20, "missed=" + missed);
  }

  @Test
  void whatDiffersFromRoundToRoundWidensTheInterval() {
    Ratio quiet = Ratio.of(rounds(100, 0.02, 0), rounds(100, 0.02, 0));
    Ratio restless = Ratio.of(rounds(100, 0.02, 0.2), rounds(100, 0.02, 0.2));
    assertTrue(
        restless.high() - restless.low() > 3 * (quiet.high() - quiet.low()),
        () -> quiet + " " + restless);
  }
}
