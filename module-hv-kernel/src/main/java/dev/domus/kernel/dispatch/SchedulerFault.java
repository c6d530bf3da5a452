package dev.domus.kernel.dispatch;

import java.util.Optional;

/**
 * A scheduler did what it must not do. It was put off its pool, or did not get it.
 *
 * @param pool the pool
 * @param scheduler the culprit's name
 * @param provider module and class of the culprit
 * @param kind what it did
 * @param detail one line: which call, which unit, which value, and what became of the pool
 * @param cause what it threw, if it threw
 * @param atNanos when, on the clock of {@link PcpuClock#nanoTime}
 */
public record SchedulerFault(
    String pool,
    String scheduler,
    String provider,
    Kind kind,
    String detail,
    Optional<Throwable> cause,
    long atNanos) {
  /** What a scheduler can do wrong. */
  public enum Kind {
    /** A call threw. */
    THREW,
    /** It picked a unit, or gave a slice, that it may not. */
    ILLEGAL_PICK,
    /** A call did not return in time. */
    OVERLONG_CALL,
    /** A runnable unit got no pCPU in all the time that others had. */
    STARVATION
  }

  @Override
  public String toString() {
    return "pool %s: scheduler %s (%s): %s: %s".formatted(pool, scheduler, provider, kind, detail);
  }
}
