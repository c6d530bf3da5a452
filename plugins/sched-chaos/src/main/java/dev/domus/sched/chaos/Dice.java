package dev.domus.sched.chaos;

/**
 * Random numbers from a seed (G. Marsaglia, <em>Xorshift RNGs</em>, 2003), so that the same pool
 * with the same history sees the same misdeeds. Allocates nothing.
 */
final class Dice {
  private final long[] ppm;
  private long state;

  /**
   * Dice.
   *
   * @param ppm the probability of each {@link Misdeed}, by ordinal, in millionths
   */
  Dice(long seed, long[] ppm) {
    this.ppm = ppm.clone();
    this.state = seed * 0x9E37_79B9_7F4A_7C15L + 1;
    if (state == 0) {
      state = 1;
    }
  }

  /** Whether it is to be done now. What never happens draws no number. */
  boolean fallOn(Misdeed misdeed) {
    long p = ppm[misdeed.ordinal()];
    return p != 0 && below(Misdeed.CERTAIN) < p;
  }

  /** A number from 0 to {@code bound} - 1. */
  long below(long bound) {
    state ^= state << 13;
    state ^= state >>> 7;
    state ^= state << 17;
    return (state >>> 1) % bound;
  }
}
