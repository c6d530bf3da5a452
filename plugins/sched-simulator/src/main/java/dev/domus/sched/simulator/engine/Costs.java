package dev.domus.sched.simulator.engine;

/**
 * What the simulated machine takes for itself, in nanoseconds.
 *
 * @param switchNanos pCPU time, before a vCPU runs where another one ran last. Nobody is charged
 *     for it.
 * @param migrationNanos what a vCPU has to do in addition where it did not run last: its caches are
 *     cold. Charged to the vCPU, whose work takes that much longer.
 * @param interruptNanos how long a pCPU that is kicked (for a wake-up, or because it was tickled)
 *     takes to look: it runs on, or idles on, until then
 */
public record Costs(long switchNanos, long migrationNanos, long interruptNanos) {
  /** A machine on which all of that is free: what theory is about. */
  public static final Costs NONE = new Costs(0, 0, 0);

  /** The longest of each that is believed. */
  public static final long MAX_NANOS = 100_000_000;

  /** Checks the ranges. */
  public Costs {
    check("switch", switchNanos);
    check("migration", migrationNanos);
    check("interrupt", interruptNanos);
  }

  private static void check(String what, long nanos) {
    if (nanos < 0 || nanos > MAX_NANOS) {
      throw new IllegalArgumentException(
          "%s cost must be 0 … %d ns: %d".formatted(what, MAX_NANOS, nanos));
    }
  }
}
