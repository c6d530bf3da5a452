package dev.domus.kernel.time;

import dev.domus.kernel.domain.Vcpu;

/**
 * The timers of one vCPU (xen-pv-abi.md, 11.2 and 11.3): the single-shot timer, the periodic timer,
 * and the timeout of SCHEDOP_poll.
 *
 * <p>Expiry of the first two is VIRQ_TIMER. The single-shot timer and the poll timeout wake a
 * sleeping vCPU and therefore live in the {@link TimerQueue}. The periodic timer, 100 Hz until the
 * guest stops it, only ticks while the vCPU runs, as on Xen; the run loop looks at it when it looks
 * at the clock.
 *
 * <p>All methods but the actions and {@link #setPeriod} are called by the vCPU's own thread.
 */
public final class VcpuTimers {
  private static final int VIRQ_TIMER = 0;
  private static final long DEFAULT_PERIOD_NANOS = 10_000_000;

  /**
   * A century and some. Times are compared by their difference, which must not overflow: a guest's
   * timer would come before everybody else's in the queue, or keep theirs back.
   */
  private static final long FURTHEST_NANOS = 1L << 62;

  private final Clock clock;
  private final Vcpu vcpu;
  private final TimerQueue queue;
  private final TimerQueue.Timer singleShot;
  private final TimerQueue.Timer pollTimeout;
  private volatile long periodNanos = DEFAULT_PERIOD_NANOS;
  private volatile long nextTick;

  /** Makes the timers of a vCPU, disarmed, with the periodic timer at its default. */
  public VcpuTimers(Vcpu vcpu, TimerQueue queue, Clock clock) {
    this.vcpu = vcpu;
    this.queue = queue;
    this.clock = clock;
    nextTick = clock.pcpuNanos();
    singleShot = new TimerQueue.Timer(this::expire);
    pollTimeout = new TimerQueue.Timer(vcpu::wake);
  }

  private void expire() {
    vcpu.domain().events().raiseVirq(VIRQ_TIMER, vcpu.id());
  }

  /**
   * Arms the single-shot timer.
   *
   * @param systemNanos absolute system time
   */
  public void armSingleShot(long systemNanos) {
    queue.arm(singleShot, pcpuNanos(systemNanos));
  }

  /** Disarms the single-shot timer. */
  public void disarmSingleShot() {
    queue.disarm(singleShot);
  }

  /** Wakes the vCPU from a poll at an absolute system time. */
  public void armPollTimeout(long systemNanos) {
    queue.arm(pollTimeout, pcpuNanos(systemNanos));
  }

  /** Disarms the poll timeout. */
  public void disarmPollTimeout() {
    queue.disarm(pollTimeout);
  }

  /** The past is the past and the future is the future, however far the guest says. */
  private long pcpuNanos(long systemNanos) {
    return clock.toPcpuNanos(Math.clamp(systemNanos, 0, FURTHEST_NANOS));
  }

  /** Sets the period of the periodic timer, or stops it with 0. Any thread. */
  public void setPeriod(long nanos) {
    nextTick = clock.pcpuNanos() + Math.min(nanos, FURTHEST_NANOS);
    periodNanos = nanos;
  }

  /** The vCPU begins a slice. */
  public void scheduledIn() {
    if (periodNanos != 0) {
      poll(clock.pcpuNanos());
    }
  }

  /** Ticks if the period has passed. */
  public void poll(long pcpuNanos) {
    long period = periodNanos;
    if (period != 0 && pcpuNanos - nextTick >= 0) {
      nextTick = pcpuNanos + Math.min(period, FURTHEST_NANOS);
      expire();
    }
  }

  /**
   * When {@link #poll} has to be called next for the tick to be on time, on the clock of the pCPUs;
   * {@link Long#MAX_VALUE} for never.
   */
  public long nextTickNanos() {
    return periodNanos == 0 ? Long.MAX_VALUE : nextTick;
  }

  /**
   * What is armed, on the clock of the pCPUs: single-shot, poll timeout, period, next tick. While
   * the vCPU does not run.
   */
  long[] deadlines() {
    return new long[] {
      queue.deadline(singleShot), queue.deadline(pollTimeout), periodNanos, nextTickNanos()
    };
  }

  /** Disarms everything for good. */
  public void close() {
    queue.disarm(singleShot);
    queue.disarm(pollTimeout);
  }
}
