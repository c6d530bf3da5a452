package dev.domus.sched.simulator.engine;

import org.HdrHistogram.Histogram;

/**
 * What is measured of the vCPUs of one workload under one scheduler. Times are in virtual
 * nanoseconds. Written by the simulation and by programs, in its thread; recording allocates
 * nothing.
 */
public final class Measures {
  private static final long LONGEST_NANOS = 3_600_000_000_000L;

  /** A tenth of a per cent is more than anybody can see in a plot. */
  private static final int DIGITS = 3;

  private final Histogram wakeLatency = newHistogram();
  private final Histogram response = newHistogram();
  private long picks;
  private long switches;
  private long migrations;
  private long preemptions;
  private long longestWaitNanos;
  private long jobs;
  private long misses;
  private long deadlines;
  private long spunNanos;

  /** An empty histogram of nanoseconds up to an hour. */
  static Histogram newHistogram() {
    return new Histogram(LONGEST_NANOS, DIGITS);
  }

  static void record(Histogram histogram, long nanos) {
    histogram.recordValue(Math.clamp(nanos, 0, LONGEST_NANOS));
  }

  /** Forgets what was measured: the warm-up is over. */
  void reset() {
    wakeLatency.reset();
    response.reset();
    picks = 0;
    switches = 0;
    migrations = 0;
    preemptions = 0;
    longestWaitNanos = 0;
    jobs = 0;
    misses = 0;
    deadlines = 0;
    spunNanos = 0;
  }

  // ------------------------------------------------------------------ by the simulation

  void picked(boolean switched, boolean migrated, long waitedNanos) {
    picks++;
    switches += switched ? 1 : 0;
    migrations += migrated ? 1 : 0;
    longestWaitNanos = Math.max(longestWaitNanos, waitedNanos);
  }

  void wokeUp(long latencyNanos) {
    record(wakeLatency, latencyNanos);
  }

  void preempted() {
    preemptions++;
  }

  // ------------------------------------------------------------------ by programs

  /** A piece of work is done: how long after it was wanted. */
  public void jobDone(long responseNanos) {
    jobs++;
    record(response, responseNanos);
  }

  /** A deadline has passed, or its job is done before it. */
  public void deadline(boolean missed) {
    deadlines++;
    misses += missed ? 1 : 0;
  }

  /** CPU time went into waiting for a lock. */
  public void spun(long nanos) {
    spunNanos += nanos;
  }

  // ------------------------------------------------------------------ to be read

  /** From a wake-up to the first instruction after it. */
  public Histogram wakeLatency() {
    return wakeLatency;
  }

  /** From when work was wanted to when it was done. */
  public Histogram response() {
    return response;
  }

  /** How often a vCPU was given a pCPU. */
  public long picks() {
    return picks;
  }

  /** How often that was after another one. */
  public long switches() {
    return switches;
  }

  /** How often that was another pCPU than the one before. */
  public long migrations() {
    return migrations;
  }

  /** How often a vCPU was put off its pCPU with slice left. */
  public long preemptions() {
    return preemptions;
  }

  /** The longest time that a vCPU was runnable at a stretch without a pCPU. */
  public long longestWaitNanos() {
    return longestWaitNanos;
  }

  /** Pieces of work that were done. */
  public long jobs() {
    return jobs;
  }

  /** Deadlines that were met or missed. */
  public long deadlines() {
    return deadlines;
  }

  /** Deadlines that were missed. */
  public long misses() {
    return misses;
  }

  /** CPU time spent waiting for locks. */
  public long spunNanos() {
    return spunNanos;
  }
}
