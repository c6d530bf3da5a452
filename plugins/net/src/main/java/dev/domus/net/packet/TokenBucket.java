package dev.domus.net.packet;

/**
 * A limit of so much a second, with a burst. What is taken may go below zero: it is asked before it
 * is known how large the next thing is, and the debt is waited for afterwards. Not thread-safe.
 */
public final class TokenBucket {
  private static final long SECOND = 1_000_000_000L;

  private final long perSecond;
  private final long burst;
  private long tokens;
  private long filledAt;

  /**
   * Makes a full one.
   *
   * @param perSecond at least 1
   * @param burst at least 1
   * @param nowNanos by the clock that is used ever after
   */
  public TokenBucket(long perSecond, long burst, long nowNanos) {
    this.perSecond = perSecond;
    this.burst = burst;
    tokens = burst;
    filledAt = nowNanos;
  }

  /** How much there is now; not positive if it is to be waited. */
  public long available(long nowNanos) {
    long elapsed = Math.min(nowNanos - filledAt, 60 * SECOND);
    // What does not make a whole token stays in the time.
    long fresh = Math.multiplyHigh(elapsed, perSecond) == 0 ? elapsed * perSecond / SECOND : burst;
    if (fresh > 0) {
      tokens = Math.min(burst, tokens + fresh);
      filledAt = tokens == burst ? nowNanos : filledAt + fresh * SECOND / perSecond;
    }
    return tokens;
  }

  /** Takes some. */
  public void take(long amount) {
    tokens -= amount;
  }

  /** How long until there is one, from when {@link #available} said that there is none. */
  public long nanosUntilSome() {
    return tokens > 0 ? 0 : Math.ceilDiv((1 - tokens) * SECOND, perSecond);
  }
}
