package dev.domus.kernel.dispatch;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A vCPU without a guest: it has work, counted in tokens, and blocks when there is none. Reports
 * what no vCPU may ever see: two threads in it at once.
 */
class FakeVcpu implements Runner {
  /** As many tokens as anyone could want: CPU-bound. */
  static final int ENDLESS = Integer.MAX_VALUE / 2;

  final AtomicInteger tokens = new AtomicInteger();
  final AtomicLong slices = new AtomicLong();
  final AtomicLong worked = new AtomicLong();
  final AtomicBoolean inside = new AtomicBoolean();
  volatile String broken = "";
  volatile boolean dead;
  volatile DispatchUnit unit;

  private final String label;
  private volatile boolean preempted;

  FakeVcpu(String label) {
    this.label = label;
  }

  /** Adds it to a pool; it does not run before its first {@link #give}. */
  static FakeVcpu in(Pool pool, int domid, UnitParams params) {
    return new FakeVcpu("d" + domid + "v0").addTo(pool, domid, params);
  }

  FakeVcpu addTo(Pool pool, int domid, UnitParams params) {
    return addTo(pool, domid, 0, params);
  }

  FakeVcpu addTo(Pool pool, int domid, int vcpu, UnitParams params) {
    unit = pool.add(this, domid, vcpu, params);
    return this;
  }

  void give(int more) {
    tokens.addAndGet(more);
    unit.wake();
  }

  /** One token's worth of work. */
  void work() {
    Thread.onSpinWait();
  }

  @Override
  public SliceEnd runSlice(long deadlineNanos) {
    if (!inside.compareAndSet(false, true)) {
      broken = "two threads run " + label;
    }
    slices.incrementAndGet();
    try {
      return slice(deadlineNanos);
    } finally {
      inside.set(false);
    }
  }

  SliceEnd slice(long deadlineNanos) {
    while (true) {
      if (preempted) {
        preempted = false;
        return SliceEnd.PREEMPTED;
      }
      if (System.nanoTime() >= deadlineNanos) {
        return SliceEnd.EXPIRED;
      }
      if (dead) {
        return SliceEnd.OFFLINE;
      }
      if (tokens.get() == 0) {
        unit.prepareToBlock();
        if (tokens.get() == 0) {
          return SliceEnd.BLOCKED;
        }
      }
      tokens.decrementAndGet();
      worked.incrementAndGet();
      work();
    }
  }

  @Override
  public void preempt() {
    preempted = true;
  }

  @Override
  public String label() {
    return label;
  }
}
