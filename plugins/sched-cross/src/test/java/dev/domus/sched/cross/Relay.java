package dev.domus.sched.cross;

import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Runner;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Works off tokens, hands each on to another, and blocks when it has none. */
class Relay implements Runner {
  private final String label;
  final boolean busy;
  private final AtomicInteger tokens = new AtomicInteger();
  private final AtomicBoolean inside = new AtomicBoolean();
  private final AtomicLong worked = new AtomicLong();
  private volatile boolean preempted;
  private volatile boolean runTwice;
  DispatchUnit unit;
  Relay next;

  Relay(String label, boolean busy) {
    this.label = label;
    this.busy = busy;
  }

  /** How much it has worked. */
  long worked() {
    return worked.get();
  }

  /** Whether two pCPUs ever ran it at once. */
  boolean wasRunTwice() {
    return runTwice;
  }

  /** Gives it a token, and wakes it. */
  void give() {
    tokens.incrementAndGet();
    unit.wake();
  }

  @Override
  public SliceEnd runSlice(long deadlineNanos) {
    runTwice |= !inside.compareAndSet(false, true);
    entered();
    try {
      while (true) {
        if (preempted) {
          preempted = false;
          return SliceEnd.PREEMPTED;
        }
        if (System.nanoTime() >= deadlineNanos) {
          return SliceEnd.EXPIRED;
        }
        if (!busy && tokens.get() == 0) {
          unit.prepareToBlock();
          if (tokens.get() == 0) {
            return SliceEnd.BLOCKED;
          }
        }
        worked.incrementAndGet();
        if (!busy) {
          tokens.decrementAndGet();
          next.give();
        }
      }
    } finally {
      left();
      inside.set(false);
    }
  }

  /** It has a pCPU, whose thread calls this. */
  void entered() {}

  /** It is about to leave it. */
  void left() {}

  @Override
  public void preempt() {
    preempted = true;
  }

  @Override
  public String label() {
    return label;
  }
}
