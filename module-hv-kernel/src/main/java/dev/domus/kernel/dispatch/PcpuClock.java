package dev.domus.kernel.dispatch;

import java.util.concurrent.locks.LockSupport;

/**
 * The time that pCPUs live in, and with them everything that guests or schedulers can tell. Real by
 * default; a deterministic machine has one in which time advances with retired instructions and
 * idling jumps to the next thing that will happen (package {@code time}, {@code VirtualClock}).
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

  /**
   * Whether the host's time plays no part in it: then nobody is judged by how long he took, and
   * there is one pCPU.
   */
  default boolean isVirtual() {
    return false;
  }

  /**
   * The CPU time of the calling thread, a pCPU's. Called once a thread. A clock whose time nobody
   * can steal says that a thread had all the time that went by.
   */
  default CpuTime cpuTime() {
    return this::nanoTime;
  }

  /** How much CPU time one thread has had. */
  interface CpuTime {
    /**
     * Nanoseconds since an arbitrary origin, which advance while the thread has a host CPU and at
     * most as fast as {@link PcpuClock#nanoTime}. Only on the thread itself; allocates nothing.
     */
    long nanos();

    /** The same on any thread, as long as the thread lives; may allocate. */
    default long nanosSeenFromOutside() {
      return nanos();
    }
  }

  /** {@link System#nanoTime}, {@link LockSupport}, and the CPU time that the host tells. */
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

        @Override
        public CpuTime cpuTime() {
          return LinuxCpuTime.ofCallingThread().orElseGet(() -> System::nanoTime);
        }
      };
}
