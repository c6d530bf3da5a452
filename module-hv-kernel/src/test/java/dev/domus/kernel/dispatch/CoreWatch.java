package dev.domus.kernel.dispatch;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Sees which domains' guests are on which core of a machine, from inside the guests: each enters
 * and leaves a word of its core, which holds a domain's id and how many of its vCPUs are there.
 */
final class CoreWatch {
  private static final int CORES = 64;

  private final int granularity;
  private final AtomicLongArray words = new AtomicLongArray(CORES);
  private final AtomicInteger together = new AtomicInteger();
  private volatile String broken = "";

  CoreWatch(int granularity) {
    this.granularity = granularity;
  }

  /** What was seen that must never be; empty if all was well. */
  String broken() {
    return broken;
  }

  /** How often a vCPU found another of its domain on its core. */
  int together() {
    return together.get();
  }

  /** How many vCPUs are on a core now. */
  int inside(int core) {
    return (int) words.get(core);
  }

  private static int pcpu() {
    return ((PcpuThread) Thread.currentThread()).pcpu();
  }

  void enter(int domid, int vcpu) {
    int pcpu = pcpu();
    if (pcpu % granularity != vcpu % granularity) {
      broken = "d%dv%d is on pCPU %d".formatted(domid, vcpu, pcpu);
    }
    long mine = (long) domid << 32;
    for (; ; ) {
      long word = words.get(pcpu / granularity);
      if ((int) word != 0 && word >> 32 != domid) {
        broken = "domains %d and %d are on one core".formatted(domid, word >> 32);
      }
      long next = mine | (int) word + 1;
      if (words.compareAndSet(pcpu / granularity, word, next)) {
        if ((int) next > 1) {
          together.incrementAndGet();
        }
        return;
      }
    }
  }

  void leave() {
    words.decrementAndGet(pcpu() / granularity);
  }

  /** A vCPU that is seen. */
  FakeVcpu vcpu(Pool pool, int domid, int vcpu, UnitParams params) {
    return new Seen(domid, vcpu).addTo(pool, domid, vcpu, params);
  }

  FakeVcpu vcpu(Pool pool, int domid, int vcpu) {
    return vcpu(pool, domid, vcpu, UnitParams.DEFAULT);
  }

  /** A vCPU that the watch sees. */
  class Seen extends FakeVcpu {
    private final int domid;
    private final int vcpu;

    Seen(int domid, int vcpu) {
      super("d%dv%d".formatted(domid, vcpu));
      this.domid = domid;
      this.vcpu = vcpu;
    }

    @Override
    SliceEnd slice(long deadlineNanos) {
      enter(domid, vcpu);
      try {
        return super.slice(deadlineNanos);
      } finally {
        leave();
      }
    }
  }
}
