package dev.domus.kernel.plugin;

import java.time.Instant;

/**
 * That a machine is to be deterministic, and what its run depends on beside the guests.
 *
 * @param seed varies how long exits from guest mode take, and so the interleaving; 0 for a fixed
 *     time
 * @param wallClock the date when the machine starts
 */
public record DeterministicMode(long seed, Instant wallClock) {
  /** The date if none is given. */
  public static final Instant USUAL_WALL_CLOCK = Instant.parse("2024-01-01T00:00:00Z");
}
