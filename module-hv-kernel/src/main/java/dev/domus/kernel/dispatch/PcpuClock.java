package dev.domus.kernel.dispatch;

import java.util.concurrent.locks.LockSupport;

/**
 * The time that pCPUs live in. Real by default; deterministic mode gives its own, in which time
 * advances with retired instructions and idling jumps to the next thing that will happen.
 */
public interface PcpuClock {
  /** Nanoseconds since an arbitrary origin; never goes backwards. Any thread. */
  long nanoTime();

  /**
   * Waits on an idle pCPU's thread until the thread is unparked or a time has come; may return
   * early.
   *
   * @param deadlineNanos {@link Long#MAX_VALUE} for never
   */
  void idle(long deadlineNanos);

  /** {@link System#nanoTime} and {@link LockSupport}. */
  PcpuClock REAL =
      new PcpuClock() {
        @Override
        public long nanoTime() {
          return System.nanoTime();
        }

        @Override
        public void idle(long deadlineNanos) {
          if (deadlineNanos == Long.MAX_VALUE) {
            LockSupport.park(this);
          } else {
            long wait = deadlineNanos - System.nanoTime();
            if (wait > 0) {
              LockSupport.parkNanos(this, wait);
            }
          }
        }
      };
}
