package dev.domus.sched.chaos;

import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.UnitQueue;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * A scheduler to be caught.
 *
 * <h2>Source</h2>
 *
 * <p>None but the idea of fault injection: that a safety net is one when something has fallen into
 * it (A. Basiri et al., <em>Chaos Engineering</em>, 2016, for systems at large).
 *
 * <h2>Design</h2>
 *
 * <p>Underneath it is a plain FIFO with turns of 5 ms, which keeps all rules: with all
 * probabilities at 0, as by default, it passes the contract. Each {@link Misdeed} has a probability
 * in millionths, thrown for where it could happen, from a seed.
 *
 * <ul>
 *   <li>{@code delay} and {@code reorder} are allowed to every scheduler. Guests must get on as
 *       well as they can: what breaks under them relied on timing.
 *   <li>All others are what {@link Scheduler} says that a scheduler must not do. The kernel has to
 *       put this one off its pool, go on with its round-robin, lose no wake-up, and name it in the
 *       report; the contract kit has to fail, except for {@code hang}, for which virtual time has
 *       no word.
 * </ul>
 *
 * <p>A call that hangs does so by sleeping and is deaf to interrupts, so that it does not burn a
 * host CPU and is not to be talked out of it.
 *
 * <h2>Cost</h2>
 *
 * <p>O(log n) a call.
 */
final class Chaos implements Scheduler {
  private static final long TURN_NANOS = 5_000_000;

  private final SchedPool pool;
  private final Dice dice;
  private final long delayNanos;
  private final long hangNanos;
  private final List<Victim> all = new ArrayList<>();
  private final UnitQueue<Victim> queue = new UnitQueue<>();
  private final CpuSet idle;

  /** What ran last, until the next decision, by pCPU. */
  private final Victim[] off;

  private static final class Victim extends UnitQueue.Entry {
    /** Never picked again. */
    boolean starved;

    Victim(SchedUnit unit) {
      super(unit);
    }
  }

  Chaos(SchedPool pool, Dice dice, long delayNanos, long hangNanos) {
    this.pool = pool;
    this.dice = dice;
    this.delayNanos = delayNanos;
    this.hangNanos = hangNanos;
    this.idle = new CpuSet(pool.pcpus());
    this.off = new Victim[pool.pcpus()];
  }

  private void mayThrow() {
    if (dice.fallOn(Misdeed.THROW)) {
      throw new IllegalStateException("chaos was asked to throw");
    }
  }

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    mayThrow();
    Victim victim = new Victim(unit);
    unit.data(victim);
    all.add(victim);
    if (unit.runnable()) {
      enqueue(victim);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    mayThrow();
    Victim victim = (Victim) unit.data();
    all.remove(victim);
    unit.data(null);
  }

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    mayThrow();
    if (dice.fallOn(Misdeed.LEAK)) {
      return;
    }
    Victim victim = (Victim) unit.data();
    enqueue(victim);
    tickleIdle(victim);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    mayThrow();
    Victim victim = (Victim) unit.data();
    if (victim.isQueued()) { // or it was leaked, or starves
      queue.remove(victim);
    }
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    mayThrow();
    Victim victim = (Victim) unit.data();
    if (victim.isQueued()) {
      queue.remove(victim);
      enqueue(victim);
      tickleIdle(victim);
    }
  }

  private void enqueue(Victim victim) {
    if (!victim.starved) {
      queue.add(victim, 0);
    }
  }

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    mayThrow();
    if (dice.fallOn(Misdeed.HANG)) {
      hang();
    }
    if (dice.fallOn(Misdeed.WRONG_PICK) && pickWrongly(decision)) {
      return;
    }
    if (dice.fallOn(Misdeed.DELAY)) {
      tickleOther(pcpu, null);
      idle.remove(pcpu); // it comes back by itself
      decision.idleUntil(nowNanos + delayNanos);
      return;
    }
    Victim victim = queue.firstFor(pcpu);
    if (victim != null && dice.fallOn(Misdeed.REORDER)) {
      queue.remove(victim);
      enqueue(victim);
      victim = queue.firstFor(pcpu);
    }
    if (victim != null && dice.fallOn(Misdeed.STARVE)) {
      victim.starved = true;
      queue.remove(victim);
      victim = queue.firstFor(pcpu);
    }
    tickleOther(pcpu, victim);
    if (victim == null) {
      idle.add(pcpu);
      decision.idle();
    } else {
      idle.remove(pcpu);
      queue.remove(victim);
      decision.run(victim.unit, TURN_NANOS);
    }
  }

  /**
   * Sees to it that what ran here last gets an idle pCPU, if another one is preferred to it here.
   */
  private void tickleOther(int pcpu, Victim chosen) {
    Victim before = off[pcpu];
    off[pcpu] = null;
    if (before != null && before != chosen && before.isQueued()) {
      tickleIdle(before);
    }
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    mayThrow();
    if (reason != PutReason.SLEPT) {
      Victim victim = (Victim) unit.data();
      enqueue(victim);
      off[pcpu] = victim;
    }
  }

  // ------------------------------------------------------------------ misdeeds

  /** One of several illegal decisions; false if there is no occasion for it. */
  private boolean pickWrongly(Decision decision) {
    switch ((int) dice.below(4)) {
      case 0 -> {
        return true; // nothing at all
      }
      case 1 -> {
        for (Victim victim : all) {
          if (!victim.unit.runnable()) {
            decision.run(victim.unit, TURN_NANOS);
            return true;
          }
        }
      }
      case 2 -> {
        for (Victim victim : all) {
          if (victim.unit.runningOn() >= 0) {
            decision.run(victim.unit, TURN_NANOS);
            return true;
          }
        }
      }
      default -> {
        if (!queue.isEmpty()) {
          decision.run(queue.first().unit, Decision.MAX_SLICE_NANOS + 1);
          return true;
        }
      }
    }
    return false;
  }

  private void hang() {
    long start = System.nanoTime();
    boolean interrupted = false;
    for (long left = hangNanos; left > 0; left = hangNanos - (System.nanoTime() - start)) {
      interrupted |= Thread.interrupted(); // or it would not park
      LockSupport.parkNanos(this, left);
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void tickleIdle(Victim victim) {
    int pcpu = victim.isQueued() ? idle.bestFor(victim.unit) : -1;
    if (pcpu >= 0) {
      idle.remove(pcpu); // the next wake-up looks for another one
      pool.tickle(pcpu);
    }
  }
}
