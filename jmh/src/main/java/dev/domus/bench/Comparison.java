package dev.domus.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Two runs side by side. A benchmark's change is the ratio of its new to its old medians, with the
 * interval of {@link Ratio}. It counts as slower only if all of the interval is above 1, so that
 * noise is not called a change; and as beyond the bound only if all of the interval is. Of fewer
 * than {@value #ROUNDS} rounds no verdict is given: what differs from one JVM to the next is not in
 * them.
 *
 * <p>Where the two runs were not made in turns on one machine, that interval does not cover what
 * differs between the occasions. The floors tell: a benchmark whose floor has changed as much has
 * not changed itself, so its change is also given relative to its floor's.
 */
final class Comparison {
  private static final int ROUNDS = 3;

  private final List<Change> changes = new ArrayList<>();
  private final List<String> onlyInOne = new ArrayList<>();

  /**
   * The change of one benchmark.
   *
   * @param subject what it is
   * @param before nanoseconds an operation, the median
   * @param after the same of the new run
   * @param ratio after to before
   * @param toFloor the same, of the ratios to the floor
   * @param enough whether there were enough rounds for a verdict
   */
  record Change(
      RunFile.Subject subject,
      double before,
      double after,
      Ratio ratio,
      double toFloor,
      boolean enough) {
    /** What can be said of it. */
    String verdict() {
      if (!enough) {
        return "too few rounds";
      }
      return ratio.low() > 1 ? "slower" : ratio.high() < 1 ? "faster" : "no change shown";
    }

    /** Whether it is slower by more than a bound in percent, beyond doubt. */
    boolean exceeds(double percent) {
      return enough && ratio.low() > 1 + percent / 100;
    }
  }

  private Comparison() {}

  /** Compares what both runs have. */
  static Comparison of(RunFile before, RunFile after) {
    Comparison comparison = new Comparison();
    Map<String, Sample> old = before.byKey();
    Map<String, Sample> now = after.byKey();
    for (RunFile.Subject subject : after.subjects()) {
      Sample oldOne = old.get(subject.trial().key());
      Sample newOne = now.get(subject.trial().key());
      if (oldOne == null || newOne == null) {
        comparison.onlyInOne.add(subject.trial().label());
        continue;
      }
      Sample oldFloor = old.get(subject.floor().key());
      Sample newFloor = now.get(subject.floor().key());
      double toFloor =
          oldFloor == null || newFloor == null
              ? Double.NaN
              : newOne.median() / newFloor.median() / (oldOne.median() / oldFloor.median());
      comparison.changes.add(
          new Change(
              subject,
              oldOne.median(),
              newOne.median(),
              Ratio.of(newOne.arrays(), oldOne.arrays()),
              toFloor,
              Math.min(oldOne.rounds().size(), newOne.rounds().size()) >= ROUNDS));
    }
    return comparison;
  }

  /** The changes, in the order of the new run. */
  List<Change> changes() {
    return List.copyOf(changes);
  }

  /** What only one of the runs has. */
  List<String> onlyInOne() {
    return List.copyOf(onlyInOne);
  }

  /** Those that are slower by more than a bound. */
  List<Change> beyond(double percent) {
    return changes.stream().filter(change -> change.exceeds(percent)).toList();
  }
}
