package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.sched.simulator.engine.Program;
import dev.domus.sched.simulator.engine.Vcpu;
import java.util.SplittableRandom;

/**
 * The vCPUs of a domain work in parallel and share locks, which are handed on in the order in which
 * they were asked for (ticket locks). A vCPU that is put off its pCPU while it holds one makes the
 * others wait, and so does one that is next and does not run: what guests suffer from under a
 * hypervisor (V. Uhlig et al., <em>Towards Scalable Multiprocessor Virtual Machines</em>, 2004; J.
 * Ouyang, J. Lange, <em>Preemptable Ticket Spinlocks</em>, 2013). {@code lock}
 *
 * @param think CPU time without a lock
 * @param hold CPU time with it
 * @param locks how many a domain has; each time any of them is taken
 * @param waiting what a vCPU does while it waits
 * @param spinNanos how long it spins before it blocks, or yields
 */
record Locking(Distribution think, Distribution hold, int locks, Waiting waiting, long spinNanos)
    implements Behaviour {
  /** What a vCPU does that waits for a lock. */
  enum Waiting {
    /**
     * Spins, and after a while blocks until it has the lock: a paravirtual spinlock, or a mutex.
     */
    BLOCK,
    /** Spins until it has the lock: a bare-metal spinlock. */
    SPIN,
    /** Spins, and after a while yields, again and again. */
    YIELD
  }

  private static final int MOST_LOCKS = 1_000;

  static Locking read(Settings settings) throws UsageException {
    Distribution think = settings.distribution("think", "exp(100us)");
    Distribution hold = settings.distribution("hold", "exp(10us)");
    settings.requireSlow("think and hold", think.meanNanos() + hold.meanNanos());
    return new Locking(
        think,
        hold,
        settings.number("locks", 1, MOST_LOCKS, 1),
        settings.word("waiting", Waiting.class, Waiting.BLOCK),
        spin(settings));
  }

  private static long spin(Settings settings) throws UsageException {
    long nanos = settings.duration("spin", "20us");
    settings.requireSlow("spin", nanos);
    return nanos;
  }

  @Override
  public String description() {
    String how =
        switch (waiting) {
          case BLOCK -> "blocks after spinning for " + Durations.show(spinNanos);
          case SPIN -> "spins";
          case YIELD -> "yields after spinning for " + Durations.show(spinNanos);
        };
    return "computes for %s, then holds %s for %s; who waits %s"
        .formatted(
            Described.of(think),
            locks == 1 ? "the domain's lock" : "one of " + locks + " locks",
            Described.of(hold),
            how);
  }

  @Override
  public Guest newGuest(int domain) {
    Lock[] shared = new Lock[locks];
    for (int i = 0; i < locks; i++) {
      shared[i] = new Lock();
    }
    return (vcpu, random) -> new Worker(vcpu, random, this, shared);
  }

  /** A ticket lock: its holder, and those who wait for it in their order. */
  private static final class Lock {
    private Worker holder;
    private Worker firstWaiting;
    private Worker lastWaiting;
  }

  private enum State {
    THINKING,
    SPINNING,
    BLOCKED,
    HOLDING
  }

  private static final class Worker implements Program {
    private final Vcpu vcpu;
    private final SplittableRandom random;
    private final Locking of;
    private final Lock[] locks;

    private State state = State.THINKING;
    private Lock lock;
    private Worker nextWaiting;
    private long wantedNanos;
    private long ranBeforeSpinNanos;

    Worker(Vcpu vcpu, SplittableRandom random, Locking of, Lock[] locks) {
      this.vcpu = vcpu;
      this.random = random;
      this.of = of;
      this.locks = locks;
    }

    @Override
    public void start(long nowNanos) {
      vcpu.compute(of.think.sample(random));
      vcpu.wake();
    }

    @Override
    public void done(long nowNanos) {
      switch (state) {
        case THINKING -> want(nowNanos);
        case HOLDING -> release(nowNanos);
        case SPINNING -> stopSpinning();
        case BLOCKED -> throw new AssertionError("a blocked vCPU computed");
      }
    }

    private void want(long nowNanos) {
      wantedNanos = nowNanos;
      lock = locks[locks.length == 1 ? 0 : random.nextInt(locks.length)];
      if (lock.holder == null) {
        lock.holder = this;
        state = State.HOLDING;
        vcpu.compute(of.hold.sample(random));
        return;
      }
      if (lock.firstWaiting == null) {
        lock.firstWaiting = this;
      } else {
        lock.lastWaiting.nextWaiting = this;
      }
      lock.lastWaiting = this;
      state = State.SPINNING;
      ranBeforeSpinNanos = vcpu.runNanosNow();
      vcpu.compute(of.waiting == Waiting.SPIN ? ENDLESS : of.spinNanos);
    }

    private void stopSpinning() {
      switch (of.waiting) {
        case BLOCK -> {
          countSpin();
          state = State.BLOCKED;
          vcpu.block();
        }
        case YIELD -> vcpu.yieldThenCompute(of.spinNanos);
        case SPIN -> vcpu.compute(ENDLESS);
      }
    }

    private void countSpin() {
      vcpu.measures().spun(vcpu.runNanosNow() - ranBeforeSpinNanos);
    }

    private void release(long nowNanos) {
      vcpu.measures().jobDone(nowNanos - wantedNanos);
      Worker next = lock.firstWaiting;
      lock.holder = next;
      if (next != null) {
        lock.firstWaiting = next.nextWaiting;
        next.nextWaiting = null;
        next.have();
      }
      state = State.THINKING;
      vcpu.compute(of.think.sample(random));
    }

    /** It is handed the lock, by one that runs now. */
    private void have() {
      long hold = of.hold.sample(random);
      if (state == State.BLOCKED) {
        state = State.HOLDING;
        vcpu.compute(hold);
        vcpu.wake();
      } else {
        countSpin();
        state = State.HOLDING;
        vcpu.computeInstead(hold);
      }
    }
  }
}
