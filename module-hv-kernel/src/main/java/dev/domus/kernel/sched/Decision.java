package dev.domus.kernel.sched;

/**
 * What a pCPU does next. The kernel owns one per pCPU and hands it to {@link Scheduler#pick} to be
 * filled in, so that a decision allocates nothing. Not thread-safe.
 */
public final class Decision {
  /** The shortest slice: below it a guest would mostly be switched. */
  public static final long MIN_SLICE_NANOS = 10_000;

  /** The longest slice: it bounds what a wrong decision can cost those who wait. */
  public static final long MAX_SLICE_NANOS = 1_000_000_000;

  private SchedUnit unit;
  private long nanos;
  private boolean made;

  /** An empty decision. */
  public Decision() {}

  /**
   * Run a unit.
   *
   * @param unit runnable, not running, allowed on this pCPU
   * @param sliceNanos for how much CPU time at most, {@link #MIN_SLICE_NANOS} … {@link
   *     #MAX_SLICE_NANOS}
   */
  public void run(SchedUnit unit, long sliceNanos) {
    this.unit = unit;
    this.nanos = sliceNanos;
    this.made = true;
  }

  /** Idle until the pCPU is tickled. */
  public void idle() {
    idleUntil(Long.MAX_VALUE);
  }

  /**
   * Idle until the pCPU is tickled or a time has come; then the kernel asks again.
   *
   * @param deadlineNanos on the clock of {@code nowNanos}; {@link Long#MAX_VALUE} for never
   */
  public void idleUntil(long deadlineNanos) {
    this.unit = null;
    this.nanos = deadlineNanos;
    this.made = true;
  }

  /** Forgets what was decided. */
  public void reset() {
    unit = null;
    nanos = 0;
    made = false;
  }

  /** Whether the scheduler decided anything at all. */
  public boolean made() {
    return made;
  }

  /** Whether the pCPU is to idle. Only meaningful if {@link #made}. */
  public boolean isIdle() {
    return unit == null;
  }

  /**
   * The unit to run; null if {@link #isIdle} (the one null of this package: it is per decision).
   */
  public SchedUnit unit() {
    return unit;
  }

  /** The slice, if a unit is to run. */
  public long sliceNanos() {
    return nanos;
  }

  /** When to ask again, if the pCPU is to idle. */
  public long idleUntilNanos() {
    return nanos;
  }
}
