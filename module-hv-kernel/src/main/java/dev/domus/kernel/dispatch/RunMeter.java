package dev.domus.kernel.dispatch;

import dev.domus.kernel.dispatch.PcpuClock.CpuTime;

/**
 * Measures for how long a pCPU's thread has really run a unit: in CPU time, not in the time that
 * went by.
 *
 * <h2>What is charged</h2>
 *
 * <p>A host with other things to do takes the thread off its CPU, often for longer than a slice.
 * Nobody in the pool had that time: it is <em>stolen</em>, charged to no unit, and left out of the
 * pool's time ({@link PoolTime}). The same holds for the JVM's own stops, such as the garbage
 * collector's.
 *
 * <h2>One reading a switch, at most</h2>
 *
 * <p>The CPU clock is read where a stretch of running ends, and not at all where less than {@value
 * #GRAIN_NANOS} ns have gone by since its last reading, whoever ran meanwhile: such a stretch
 * counts as run in full. What was so taken for granted is taken off what the next reading says, and
 * what is too much for that off the one after it. So single runs may be wrong by the grain, but the
 * sum is the thread's CPU time.
 *
 * <p>What the thread used between two readings and outside of runs, for deciding and for going to
 * sleep, some microseconds, cannot be told from running and hides as much of what was stolen in the
 * run that the second reading ends. No run is ever charged more than the time that went by.
 *
 * <p>All methods but {@link #soFarNanos} are the thread's; the results are for the holder of the
 * pool's lock as well.
 */
final class RunMeter {
  /** Some hundred times what a reading costs, a hundredth of a common slice. */
  static final long GRAIN_NANOS = 100_000;

  private final CpuTime cpuTime;

  // The last reading: the two clocks, and what was taken for granted since.
  private long readAtNanos;
  private long readNanos;
  private long grantedNanos;

  // The run.
  private long measuredToNanos;
  private long ranNanos;
  private long stolenNanos;

  /** What the CPU clock said, or would have said, when the run began. */
  private volatile long zeroNanos;

  RunMeter(CpuTime cpuTime, long nowNanos) {
    this.cpuTime = cpuTime;
    this.readAtNanos = nowNanos;
    this.readNanos = cpuTime.nanos();
  }

  /** A run begins. */
  void begin(long nowNanos) {
    measuredToNanos = nowNanos;
    ranNanos = 0;
    zeroNanos = readNanos + grantedNanos;
  }

  /** The run has come to a moment, at which it may go on. */
  void measure(long nowNanos) {
    long stretch = Math.max(0, nowNanos - measuredToNanos);
    measuredToNanos = nowNanos;
    if (nowNanos - readAtNanos < GRAIN_NANOS) {
      ranNanos += stretch;
      grantedNanos += stretch;
      return;
    }
    long read = cpuTime.nanos();
    long used = read - readNanos - grantedNanos;
    long ran = Math.max(0, Math.min(used, stretch));
    ranNanos += ran;
    stolenNanos += stretch - ran;
    readAtNanos = nowNanos;
    readNanos = read;
    grantedNanos = Math.max(0, -used);
    zeroNanos = read + grantedNanos - ranNanos;
  }

  /** CPU time of the run, as far as it is measured. */
  long ranNanos() {
    return ranNanos;
  }

  /** What was stolen since this was last asked. */
  long takeStolen() {
    long stolen = stolenNanos;
    stolenNanos = 0;
    return stolen;
  }

  /** An estimate of the run's CPU time now. Any thread; allocates. */
  long soFarNanos(long startedNanos, long nowNanos) {
    long used = cpuTime.nanosSeenFromOutside() - zeroNanos;
    return Math.max(0, Math.min(used, nowNanos - startedNanos));
  }
}
