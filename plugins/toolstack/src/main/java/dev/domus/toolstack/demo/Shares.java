package dev.domus.toolstack.demo;

import dev.domus.toolstack.life.Guest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How guests shared the CPU over a stretch of time.
 *
 * @param wallNanos how long it was
 * @param cpuNanos what each guest had of it
 */
record Shares(long wallNanos, List<Long> cpuNanos) {
  /**
   * By how much, in percentage points, a share over a few seconds may miss what the scheduler aims
   * at. Schedulers hand out time slices of some ten milliseconds, so a guest may be a few of them
   * ahead at either end.
   */
  private static final double TOLERANCE = 5;

  private static final double NANOS_A_SECOND = 1e9;

  /** The CPU time of guests at one moment. */
  record Sample(long nanoTime, List<Long> cpuNanos) {
    static Sample of(List<Guest> guests) {
      long now = System.nanoTime();
      return new Sample(now, guests.stream().map(guest -> guest.info().cpuNanos()).toList());
    }

    /** What has happened since. */
    Shares until(Sample later) {
      List<Long> used = new ArrayList<>();
      for (int i = 0; i < cpuNanos.size(); i++) {
        used.add(later.cpuNanos.get(i) - cpuNanos.get(i));
      }
      return new Shares(later.nanoTime - nanoTime, used);
    }
  }

  /** A guest's share of what all guests had, in percent. */
  double percent(int guest) {
    long all = total();
    return all == 0 ? 0 : 100.0 * cpuNanos.get(guest) / all;
  }

  private long total() {
    return cpuNanos.stream().mapToLong(Long::longValue).sum();
  }

  /** What a guest's share would be if time went by weights, in percent. */
  static double expected(List<Integer> weights, int guest) {
    return 100.0 * weights.get(guest) / weights.stream().mapToInt(Integer::intValue).sum();
  }

  /** Whether all shares are close to what weights ask for. */
  boolean areAsBy(List<Integer> weights) {
    for (int i = 0; i < cpuNanos.size(); i++) {
      if (Math.abs(percent(i) - expected(weights, i)) > TOLERANCE) {
        return false;
      }
    }
    return total() > 0;
  }

  /** Prints a line for each guest. */
  void show(Stage stage, List<String> names, List<Integer> weights) {
    stage.line(
        String.format(
            Locale.ROOT,
            "  %-8s %10s %8s %10s   (over %.1f s, pCPU %.0f %% busy)",
            "domain",
            "CPU time",
            "share",
            "expected",
            wallNanos / NANOS_A_SECOND,
            100.0 * total() / wallNanos));
    for (int i = 0; i < names.size(); i++) {
      stage.line(
          String.format(
              Locale.ROOT,
              "  %-8s %8.3f s %6.1f %% %8.1f %%",
              names.get(i),
              cpuNanos.get(i) / NANOS_A_SECOND,
              percent(i),
              expected(weights, i)));
    }
  }
}
