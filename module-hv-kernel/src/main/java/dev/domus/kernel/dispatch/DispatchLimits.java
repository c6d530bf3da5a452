package dev.domus.kernel.dispatch;

/**
 * How patient the watchdog is with a scheduler.
 *
 * @param tickNanos how often it looks
 * @param decisionNanos how long one call into a scheduler may take before it is suspect; see {@link
 *     Watchdog}
 * @param starvationNanos the unit of the starvation limit; see {@link Watchdog}
 * @param rendezvousNanos how long a swap waits for the pool's pCPUs before it is given up
 */
public record DispatchLimits(
    long tickNanos, long decisionNanos, long starvationNanos, long rendezvousNanos) {
  /** Ticks that must have seen one call in progress before it is suspect. */
  static final int DECISION_TICKS = 4;

  /** Falls back within 100 ms of a hang, where the host has a CPU for it. */
  public static final DispatchLimits DEFAULT =
      new DispatchLimits(10_000_000, 60_000_000, 250_000_000, 2_000_000_000);
}
