package dev.domus.kernel.dispatch;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What a scheduler swap did.
 *
 * @param pool the pool
 * @param from the scheduler before
 * @param to the scheduler asked for
 * @param refusal empty if the pool runs {@code to} now; else why it still runs {@code from}
 * @param units how many units were handed over
 * @param totalNanos from the request to the last pCPU's return to work
 * @param heldNanos for each pCPU, how long it was kept from running guests; 0 if it was idle
 */
public record SwapReport(
    String pool,
    String from,
    String to,
    Optional<String> refusal,
    int units,
    long totalNanos,
    long[] heldNanos) {
  static SwapReport refused(String pool, String from, String to, String why) {
    return new SwapReport(pool, from, to, Optional.of(why), 0, 0, new long[0]);
  }

  /** One report of the swaps of a pool's run queues, one after the other. */
  static SwapReport ofAll(List<SwapReport> parts) {
    SwapReport last = parts.getLast();
    return new SwapReport(
        last.pool,
        last.from,
        last.to,
        last.refusal,
        parts.stream().mapToInt(SwapReport::units).sum(),
        parts.stream().mapToLong(SwapReport::totalNanos).sum(),
        parts.stream().flatMapToLong(part -> Arrays.stream(part.heldNanos)).toArray());
  }

  /** Whether the pool runs the new scheduler. */
  public boolean swapped() {
    return refusal.isEmpty();
  }

  /** The longest time that any pCPU, and so any guest, was held. */
  public long pauseNanos() {
    long longest = 0;
    for (long held : heldNanos) {
      longest = Math.max(longest, held);
    }
    return longest;
  }
}
