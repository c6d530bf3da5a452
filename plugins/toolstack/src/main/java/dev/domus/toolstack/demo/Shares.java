package dev.domus.toolstack.demo;

import dev.domus.toolstack.life.Guest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * How guests shared the CPU over a stretch of time.
 *
 * @param wallNanos how long it was
 * @param hostNanos CPU time that the host gave this process meanwhile, JIT compiler and all; as
 *     much as {@code wallNanos} where the host does not tell
 * @param cpuNanos what each guest had of it
 */
record Shares(long wallNanos, long hostNanos, List<Long> cpuNanos) {
  /**
   * By how much, in percentage points, a share over a few seconds may miss what the scheduler aims
   * at: less than half of what lies between 1 : 2 and 1 : 1. Slices are some ten milliseconds, so
   * on a host with time to spare it is a tenth of that.
   */
  private static final double TOLERANCE = 7.5;

  /**
   * A pCPU is a host thread, and its time goes by the clock. Where the host takes it away for
   * longer than slices are, chance decides in whose slice that falls. Less than this part of the
   * clock's time, and shares say more about the host than about the scheduler.
   */
  private static final double HOST_SHARE_NEEDED = 0.8;

  private static final double NANOS_A_SECOND = 1e9;

  /** The CPU time of guests at one moment. */
  record Sample(long nanoTime, Optional<Duration> hostTime, List<Long> cpuNanos) {
    static Sample of(List<Guest> guests) {
      long now = System.nanoTime();
      Optional<Duration> host = ProcessHandle.current().info().totalCpuDuration();
      return new Sample(now, host, guests.stream().map(guest -> guest.info().cpuNanos()).toList());
    }

    /** What has happened since. */
    Shares until(Sample later) {
      List<Long> used = new ArrayList<>();
      for (int i = 0; i < cpuNanos.size(); i++) {
        used.add(later.cpuNanos.get(i) - cpuNanos.get(i));
      }
      long wall = later.nanoTime - nanoTime;
      return new Shares(wall, hostNanosUntil(later).orElse(wall), used);
    }

    private Optional<Long> hostNanosUntil(Sample later) {
      return later.hostTime.flatMap(end -> hostTime.map(start -> end.minus(start).toNanos()));
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

  /** Whether the host had so little time for us that shares mean little. */
  boolean hostWasOverloaded() {
    return hostNanos < HOST_SHARE_NEEDED * wallNanos;
  }

  /** How much of the clock's time the host gave us, in percent. */
  double hostPercent() {
    return 100.0 * hostNanos / wallNanos;
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
