package dev.domus.sched.contract;

import java.util.SplittableRandom;

/**
 * What a simulated unit does: bursts of work, and sleep between them. Asked once per burst, in the
 * order of time.
 */
public interface Workload {
  /** A burst that never ends. */
  long ENDLESS = Long.MAX_VALUE / 4;

  /** How long the next burst runs, in nanoseconds of pCPU time, at least 1. */
  long nextBurstNanos();

  /** How long it sleeps after that burst, in nanoseconds; 0 is a yield instead of sleep. */
  long nextSleepNanos();

  /** Never sleeps. */
  static Workload cpuBound() {
    return periodic(ENDLESS, 1);
  }

  /** Always the same burst and the same sleep. */
  static Workload periodic(long burstNanos, long sleepNanos) {
    return new Workload() {
      @Override
      public long nextBurstNanos() {
        return burstNanos;
      }

      @Override
      public long nextSleepNanos() {
        return sleepNanos;
      }
    };
  }

  /** Bursts and sleeps of random length, from nothing up to twice the mean. */
  static Workload random(long seed, long meanBurstNanos, long meanSleepNanos) {
    SplittableRandom random = new SplittableRandom(seed);
    return new Workload() {
      @Override
      public long nextBurstNanos() {
        return 1 + random.nextLong(2 * meanBurstNanos);
      }

      @Override
      public long nextSleepNanos() {
        return random.nextLong(2 * meanSleepNanos + 1);
      }
    };
  }
}
