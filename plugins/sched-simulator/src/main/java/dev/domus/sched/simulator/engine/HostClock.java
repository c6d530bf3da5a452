package dev.domus.sched.simulator.engine;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.HdrHistogram.Histogram;

/**
 * What the host pays for the scheduler: how long its calls take. The only thing here that is in
 * real time; it differs from run to run and is no part of what is simulated.
 *
 * <p>One call of {@value #EVERY} is timed, because reading the clock twice takes about as long as a
 * cheap call: timing all of them would make the simulation slower and warm the clock's code instead
 * of the scheduler's. What an empty measurement takes is found out at the beginning and subtracted.
 *
 * <p>It also counts the calls, so that another thread can see whether one has not returned.
 */
public final class HostClock {
  /** A prime, so that it does not fall into step with what the workload repeats. */
  private static final int EVERY = 17;

  private static final int CALIBRATIONS = 2_000;

  private static final VarHandle CALLS;

  static {
    try {
      CALLS = MethodHandles.lookup().findVarHandle(HostClock.class, "calls", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final Histogram pick = Measures.newHistogram();
  private final Histogram put = Measures.newHistogram();
  private final Histogram wake = Measures.newHistogram();
  private final Histogram rest = Measures.newHistogram();
  private final long ownNanos;
  private int skipped;
  private long beganNanos;
  private boolean timed;

  /** Odd while a call into the scheduler is in progress. */
  private long calls;

  /** A clock that has measured nothing. */
  public HostClock() {
    long least = Long.MAX_VALUE;
    for (int i = 0; i < CALIBRATIONS; i++) {
      long began = System.nanoTime();
      least = Math.min(least, System.nanoTime() - began);
    }
    ownNanos = least;
  }

  /** A call begins. */
  void enter() {
    CALLS.setOpaque(this, calls + 1);
    timed = ++skipped == EVERY;
    if (timed) {
      skipped = 0;
      beganNanos = System.nanoTime();
    }
  }

  /** A call has returned, and is counted in one of the histograms. */
  void leave(Histogram kind) {
    if (timed) {
      Measures.record(kind, System.nanoTime() - beganNanos - ownNanos);
    }
    CALLS.setOpaque(this, calls + 1);
  }

  void reset() {
    pick.reset();
    put.reset();
    wake.reset();
    rest.reset();
  }

  /** A number that is odd while a call is in progress, and different for each. Any thread. */
  public long calls() {
    return (long) CALLS.getOpaque(this);
  }

  /** What deciding takes. */
  public Histogram pick() {
    return pick;
  }

  /** What taking a vCPU back takes. */
  public Histogram put() {
    return put;
  }

  /** What a wake-up takes. */
  public Histogram wake() {
    return wake;
  }

  /** What all other calls take. */
  public Histogram rest() {
    return rest;
  }
}
