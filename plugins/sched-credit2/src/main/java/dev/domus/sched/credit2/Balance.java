package dev.domus.sched.credit2;

/**
 * When a unit had better be in another run queue. Loads are per pCPU, in parts of {@link
 * LoadAverage#ONE}.
 *
 * @param windowNanos over how long loads are averaged
 * @param overloadPercent the difference that is let be where a queue has more than it can do
 * @param underloadPercent the same where none has: units that all have a pCPU gain little by a move
 */
record Balance(long windowNanos, long overloadPercent, long underloadPercent) {
  /**
   * Whether a move is worth it: the difference is more than is let be, and would become less.
   *
   * @param unitLoad what the unit adds to a load, times the pCPUs that share it
   */
  boolean isWorthIt(long giver, int giverPcpus, long taker, int takerPcpus, long unitLoad) {
    long difference = giver - taker;
    long percent = giver >= LoadAverage.ONE ? overloadPercent : underloadPercent;
    long after = Math.abs(giver - unitLoad / giverPcpus - (taker + unitLoad / takerPcpus));
    return difference > LoadAverage.ONE * percent / 100 && after < difference;
  }
}
