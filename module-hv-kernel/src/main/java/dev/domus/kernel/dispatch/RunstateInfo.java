package dev.domus.kernel.dispatch;

/**
 * A snapshot of a unit's run state, as in Xen's {@code vcpu_runstate_info} (xen-pv-abi.md, 3.5),
 * filled in by {@link DispatchUnit#runstate}. Times are on the clock of {@link PcpuClock#nanoTime};
 * the time of the present state counts up to {@link #sinceNanos} only. Not thread-safe.
 */
public final class RunstateInfo {
  /** On a pCPU. */
  public static final int RUNNING = 0;

  /** Waiting for a pCPU. */
  public static final int RUNNABLE = 1;

  /** Waiting for an event. */
  public static final int BLOCKED = 2;

  /** Down, paused, or of a dying domain. */
  public static final int OFFLINE = 3;

  int state;
  long sinceNanos;
  final long[] nanos = new long[4];
  long ranNanos;

  /** An empty snapshot. */
  public RunstateInfo() {}

  /** The state: one of the constants. */
  public int state() {
    return state;
  }

  /** When the state was entered. */
  public long sinceNanos() {
    return sinceNanos;
  }

  /** CPU time that was charged for running, up to when the unit last came off its pCPU. */
  public long ranNanos() {
    return ranNanos;
  }

  /** Time spent in a state before {@link #sinceNanos}. */
  public long nanosIn(int state) {
    return nanos[state];
  }

  /** Time spent in a state, the present one counted up to now. */
  public long nanosIn(int state, long nowNanos) {
    return nanos[state] + (state == this.state ? Math.max(0, nowNanos - sinceNanos) : 0);
  }
}
