package dev.domus.sched.simulator.engine;

/** A simulated pCPU: what it runs, since when, and whether it is wanted elsewhere. */
final class Pcpu {
  /** With less than 1/64 of it left, a slice is over, as in the kernel. */
  private static final int SPENT_SHIFT = 6;

  /** In the pool; also its source in the event queue. */
  final int number;

  /** In its run queue. */
  final int index;

  final Seat seat;

  Vcpu current;

  /** What it ran last: going on with that is no switch. */
  Vcpu last;

  /** From when on {@code current} is to be charged: later than now while the switch goes on. */
  private long chargeFromNanos;

  private long ranNanos;
  private long sliceNanos;

  /** Kicked: when it looks; {@link Long#MAX_VALUE} if nobody wants it to. */
  long attentionNanos = Long.MAX_VALUE;

  boolean tickled;

  /** Parked, and to be woken by whoever has something to do. */
  boolean idle;

  /** The scheduler said to idle, and has not been asked since. */
  boolean toldToIdle;

  long idleUntilNanos;

  /** Time that went into switches, since measuring began. */
  long overheadNanos;

  Pcpu(int number, int index, Seat seat) {
    this.number = number;
    this.index = index;
    this.seat = seat;
  }

  void begin(Vcpu vcpu, long slice, long fromNanos) {
    current = vcpu;
    last = vcpu;
    sliceNanos = slice;
    ranNanos = 0;
    chargeFromNanos = fromNanos;
  }

  /** What {@code current} has run in this slice. */
  long ranNanos(long nowNanos) {
    return ranNanos + Math.max(0, nowNanos - chargeFromNanos);
  }

  /** Takes what has been run since the last time off what {@code current} still has to do. */
  void charge(long nowNanos) {
    long ran = nowNanos - chargeFromNanos;
    if (ran > 0) {
      chargeFromNanos = nowNanos;
      ranNanos += ran;
      current.workNanos -= ran;
    }
  }

  /** When, if nothing comes between, slice or work are over. After {@link #charge}. */
  long endNanos() {
    return chargeFromNanos + Math.min(sliceNanos - ranNanos, current.workNanos);
  }

  /** Whether the slice is over, or as good as over. */
  boolean isSpent() {
    return sliceNanos - ranNanos <= sliceNanos >> SPENT_SHIFT;
  }

  long sliceNanos() {
    return sliceNanos;
  }

  void comeOff() {
    current = null;
  }
}
