package dev.domus.kernel.dispatch;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * How long a unit was in each run state, in wall time, and what CPU time it is charged for running.
 * One writer at a time (the holder of the pool's lock), any number of readers that never hold it
 * up: a sequence lock. The version is odd during a change; a reader that saw an odd or a changed
 * version reads again.
 */
final class RunstateAccount {
  private static final VarHandle VERSION;

  static {
    try {
      VERSION = MethodHandles.lookup().findVarHandle(RunstateAccount.class, "version", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  @SuppressWarnings("unused") // by VERSION
  private int version;

  private int state = RunstateInfo.OFFLINE;
  private long sinceNanos;
  private final long[] nanos = new long[4];
  private long ranNanos;

  RunstateAccount(long nowNanos) {
    sinceNanos = nowNanos;
  }

  /** Enters a state; nothing happens if it is the present one. */
  void enter(int newState, long nowNanos) {
    if (newState != state) {
      change(newState, nowNanos, 0);
    }
  }

  /** Enters another state than running, and charges what was run. */
  void leaveCpu(int newState, long nowNanos, long newlyRanNanos) {
    change(newState, nowNanos, newlyRanNanos);
  }

  /** The present state. By the writer. */
  int state() {
    return state;
  }

  /** What has been charged. By the writer. */
  long ranNanos() {
    return ranNanos;
  }

  private void change(int newState, long nowNanos, long newlyRanNanos) {
    int v = (int) VERSION.getOpaque(this);
    VERSION.setOpaque(this, v + 1);
    VarHandle.storeStoreFence();
    nanos[state] += Math.max(0, nowNanos - sinceNanos);
    sinceNanos = nowNanos;
    state = newState;
    ranNanos += newlyRanNanos;
    VERSION.setRelease(this, v + 2);
  }

  /** Reads it all, consistently. */
  void read(RunstateInfo into) {
    for (; ; ) {
      int before = (int) VERSION.getAcquire(this);
      into.state = state;
      into.sinceNanos = sinceNanos;
      into.ranNanos = ranNanos;
      System.arraycopy(nanos, 0, into.nanos, 0, 4);
      VarHandle.loadLoadFence();
      if ((before & 1) == 0 && before == (int) VERSION.getOpaque(this)) {
        return;
      }
      Thread.onSpinWait();
    }
  }
}
