package dev.domus.kernel.dispatch;

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
