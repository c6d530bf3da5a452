package dev.domus.kernel.domain;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.time.Clock;
import dev.domus.kernel.time.TimerQueue;

/**
 * The two watchdogs of a domain (SCHEDOP_watchdog): one that is not rearmed in time shuts the
 * domain down.
 */
public final class Watchdogs {
  private static final int COUNT = 2;

  private final Clock clock;
  private final TimerQueue queue;
  private final TimerQueue.Timer[] timers = new TimerQueue.Timer[COUNT];
  private final boolean[] inUse = new boolean[COUNT];

  Watchdogs(Domain domain, TimerQueue queue, Clock clock) {
    this.clock = clock;
    this.queue = queue;
    for (int i = 0; i < COUNT; i++) {
      timers[i] = new TimerQueue.Timer(() -> domain.shutdown(DomainInfo.WATCHDOG));
    }
  }

  /**
   * Sets a watchdog.
   *
   * @param id 0 for a new one, otherwise the one to rearm or stop; unsigned
   * @param seconds until it fires, 0 to stop it; unsigned
   * @return the new one's id, 0, or a negated error number
   */
  public synchronized int set(int id, int seconds) {
    if (Integer.compareUnsigned(id, COUNT) > 0) {
      return -Errno.EINVAL;
    }
    if (id == 0) {
      if (seconds == 0) {
        return -Errno.EINVAL;
      }
      for (int i = 0; i < COUNT; i++) {
        if (!inUse[i]) {
          arm(i, seconds);
          return i + 1;
        }
      }
      return -Errno.ENOSPC;
    }
    if (!inUse[id - 1]) {
      return -Errno.EINVAL;
    }
    if (seconds == 0) {
      inUse[id - 1] = false;
      queue.disarm(timers[id - 1]);
    } else {
      arm(id - 1, seconds);
    }
    return 0;
  }

  private void arm(int index, int seconds) {
    inUse[index] = true;
    queue.arm(timers[index], clock.pcpuNanos() + Integer.toUnsignedLong(seconds) * 1_000_000_000L);
  }

  synchronized void close() {
    for (TimerQueue.Timer timer : timers) {
      queue.disarm(timer);
    }
  }
}
