package dev.domus.sched.cross;

import dev.domus.kernel.dispatch.PcpuClock;
import dev.domus.kernel.dispatch.Runner;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * A host with one CPU in virtual time, which passes where a unit spends it, so the history of a
 * pool of one pCPU is the same each time. It may have other things to do: then time also passes in
 * pieces of which the pCPU gets nothing, at any point of a slice.
 */
final class VirtualHost implements PcpuClock {
  private static final long MS = 1_000_000;
  private static final long STEP_NANOS = 50_000;
  private static final long SHORTEST_PIECE_NANOS = 5 * MS;
  private static final long LONGEST_PIECE_NANOS = 200 * MS;

  private final SplittableRandom random;
  private final double stolenPart;
  private final AtomicLong wallNanos = new AtomicLong();
  private final AtomicLong deliveredNanos = new AtomicLong();
  private final AtomicLong horizonNanos = new AtomicLong();
  private long untilStolenNanos;

  private VirtualHost(double stolenPart, long seed) {
    this.random = new SplittableRandom(seed);
    this.stolenPart = stolenPart;
  }

  /** A host that has nothing else to do. */
  static VirtualHost unloaded() {
    return new VirtualHost(0, 0);
  }

  /** A host that steals a part of the time, in pieces of 5 to 200 ms. */
  static VirtualHost stealing(double part, long seed) {
    return new VirtualHost(part, seed);
  }

  @Override
  public long nanoTime() {
    return wallNanos.get();
  }

  @Override
  public void idle(long deadlineNanos) {
    if (deadlineNanos == Long.MAX_VALUE) {
      LockSupport.park(this);
    } else {
      wallNanos.accumulateAndGet(deadlineNanos, Math::max);
    }
  }

  @Override
  public CpuTime cpuTime() {
    return deliveredNanos::get;
  }

  /** CPU time that units have had, all together. */
  long deliveredNanos() {
    return deliveredNanos.get();
  }

  /** Lets units have that much CPU time, and waits until they have. */
  void deliver(long nanos) {
    long horizon = horizonNanos.addAndGet(nanos);
    Await.until("the time was spent", () -> deliveredNanos.get() >= horizon);
  }

  /** By the one that runs: spends some time, if there is any left to spend. */
  private void spend() {
    if (deliveredNanos.get() >= horizonNanos.get()) {
      Thread.yield();
      return;
    }
    deliveredNanos.addAndGet(STEP_NANOS);
    wallNanos.addAndGet(STEP_NANOS);
    untilStolenNanos -= STEP_NANOS;
    if (stolenPart > 0 && untilStolenNanos <= 0) {
      long piece = random.nextLong(SHORTEST_PIECE_NANOS, LONGEST_PIECE_NANOS);
      wallNanos.addAndGet(piece);
      double mean = (SHORTEST_PIECE_NANOS + LONGEST_PIECE_NANOS) / 2.0;
      untilStolenNanos =
          (long) (mean * (1 - stolenPart) / stolenPart * random.nextDouble(0.1, 1.9));
    }
  }

  /** A unit that uses all the time it gets. */
  Runner spender(String label) {
    return new Spender(label);
  }

  private final class Spender implements Runner {
    private final String label;
    private volatile boolean preempted;

    Spender(String label) {
      this.label = label;
    }

    @Override
    public SliceEnd runSlice(long deadlineNanos) {
      while (true) {
        if (preempted) {
          preempted = false;
          return SliceEnd.PREEMPTED;
        }
        if (nanoTime() >= deadlineNanos) {
          return SliceEnd.EXPIRED;
        }
        spend();
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
}
