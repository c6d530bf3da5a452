package dev.domus.toolstack.demo;

import dev.domus.toolstack.life.Guest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How guests shared the CPU over a stretch of time. Guests are charged CPU time, so what a busy
 * host takes away from the pCPU makes these figures smaller and leaves shares as they are.
 *
 * @param wallNanos how long it was
 * @param cpuNanos what each guest had of it
 */
record Shares(long wallNanos, List<Long> cpuNanos) {
  /** By how much, in percentage points, a share may miss what the scheduler aims at. */
  private static final double TOLERANCE = 2.5;

  /**
   * On top of that, CPU time that a stretch can have in excess for one guest because it begins and
   * ends anywhere in a round of slices: 7 ms where each 30 ms are 10 for the one and then 20 for
   * the other, and some for slices that end late.
   */
  private static final long SLICE_NANOS = 12_000_000;

  /**
   * What it takes to judge: with less, both together are more than 7.3 points, and 1 : 2 is no more
   * than 17 from 1 : 1.
   */
  private static final long NEEDED_NANOS = 250_000_000;

  private static final double NANOS_A_SECOND = 1e9;

  /** What a stretch has shown. */
  enum Judgement {
    AS_EXPECTED,
    WRONG,
    /** Too little CPU time was had to say. */
    TOO_LITTLE
  }

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
  Judgement judge(List<Integer> weights) {
    if (total() < NEEDED_NANOS) {
      return Judgement.TOO_LITTLE;
    }
    double tolerance = TOLERANCE + 100.0 * SLICE_NANOS / total();
    for (int i = 0; i < cpuNanos.size(); i++) {
      if (Math.abs(percent(i) - expected(weights, i)) > tolerance) {
        return Judgement.WRONG;
      }
    }
    return Judgement.AS_EXPECTED;
  }

  /** Why {@link Judgement#TOO_LITTLE}. */
  String whyTooLittle() {
    return String.format(
        Locale.ROOT,
        "  Not judged: the guests had %.3f s of CPU time, and shares cannot be told from less than %.2f s. The host is busy with other things.",
        total() / NANOS_A_SECOND,
        NEEDED_NANOS / NANOS_A_SECOND);
  }

  /** Prints a line for each guest. */
  void show(Stage stage, List<String> names, List<Integer> weights) {
    stage.line(
        String.format(
            Locale.ROOT,
            "  %-8s %10s %8s %10s   (over %.1f s; the host gave the pCPU %.0f %% of it)",
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
