package dev.domus.sched.rr;

import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.UnitQueue;

/**
 * Round-robin: one queue for the pool, a turn of fixed length for each.
 *
 * <h2>Design</h2>
 *
 * <p>Runnable units stand in one FIFO queue. A pCPU takes the first that may run on it and gives it
 * a turn; afterwards the unit goes to the end. Oldest of all time-sharing policies (L. Kleinrock,
 * <em>Analysis of a time-shared processor</em>, 1964), kept because everything about it can be
 * predicted: with <em>n</em> runnable units on <em>p</em> pCPUs each gets p/n of a pCPU, and none
 * waits longer than n/p turns.
 *
 * <p><b>Equal turns, blind to weights and caps.</b> Units of weight 256 and 512 get shares of 1 : 1
 * here. Who wants weights wants {@code credit}. Affinity is honoured.
 *
 * <h2>Choices</h2>
 *
 * <ul>
 *   <li>A turn that was cut short (the pool stopped for a swap, affinity changed) is continued, at
 *       the head of the queue: otherwise frequent interruptions would favour the one interrupted or
 *       the others.
 *   <li>Turns are CPU time, as all slices are: what the host takes away during a turn is had
 *       afterwards, so turns are equal on a busy host too.
 *   <li>A unit that sleeps loses the rest of its turn, and queues at the end when it wakes. Nobody
 *       is preempted for it; an idle pCPU is tickled, the one that ran it last if it can be. So a
 *       unit that mostly sleeps waits up to n/p turns at each wake-up: throughput, not latency.
 *   <li>A yield gives the rest of the turn away.
 *   <li>10 ms a turn: a hundred times what a switch costs, and short enough for a console with a
 *       handful of busy neighbours.
 * </ul>
 *
 * <h2>Cost</h2>
 *
 * <p>Every call is O(1) on average while the first that waits may run on the pCPU that asks, else
 * O(log n), however many are pinned elsewhere.
 */
final class RoundRobin implements Scheduler {
  private final SchedPool pool;
  private final long turnNanos;
  private final UnitQueue<Turn> queue = new UnitQueue<>();

  /** pCPUs that were told to idle and not tickled since. */
  private final CpuSet idle;

  /** What ran last on a pCPU, until the next decision. */
  private final Turn[] off;

  RoundRobin(SchedPool pool, long turnNanos) {
    this.pool = pool;
    this.turnNanos = turnNanos;
    this.idle = new CpuSet(pool.pcpus());
    this.off = new Turn[pool.pcpus()];
  }

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    Turn turn = new Turn(unit);
    unit.data(turn);
    if (unit.runnable()) {
      addLast(turn);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    unit.data(null);
  }

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    Turn turn = (Turn) unit.data();
    turn.leftNanos = 0;
    addLast(turn);
    tickleIdle(turn);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    queue.remove((Turn) unit.data());
  }

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    idle.remove(pcpu);
    Turn turn = queue.firstFor(pcpu);
    Turn before = off[pcpu];
    off[pcpu] = null;
    if (before != null && before != turn) {
      tickleIdle(before); // an idle pCPU may be allowed this one, and not those in front of it
    }
    if (turn == null) {
      idle.add(pcpu);
      decision.idle();
      return;
    }
    queue.remove(turn);
    if (turn.leftNanos == 0) {
      turn.leftNanos = turnNanos;
    }
    decision.run(turn.unit, turn.leftNanos);
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    Turn turn = (Turn) unit.data();
    long left = turn.leftNanos - ranNanos;
    if (reason == PutReason.PREEMPTED && left >= Decision.MIN_SLICE_NANOS) {
      turn.leftNanos = left;
      addFirst(turn);
      off[pcpu] = turn;
    } else {
      turn.leftNanos = 0;
      if (reason != PutReason.SLEPT) {
        addLast(turn);
        off[pcpu] = turn;
      }
    }
  }

  /** A changed affinity may let an idle pCPU have a waiting unit. */
  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Turn turn = (Turn) unit.data();
    if (turn.isQueued()) {
      long place = turn.key();
      queue.remove(turn);
      queue.add(turn, place);
      tickleIdle(turn);
    }
  }

  /** Keys say who comes before whom, and no more: equal ones stand in the order of their coming. */
  private void addLast(Turn turn) {
    queue.add(turn, queue.isEmpty() ? 0 : queue.last().key());
  }

  private void addFirst(Turn turn) {
    queue.add(turn, queue.isEmpty() ? 0 : queue.first().key() - 1);
  }

  private void tickleIdle(Turn turn) {
    int pcpu = turn.isQueued() ? idle.bestFor(turn.unit) : -1;
    if (pcpu >= 0) {
      idle.remove(pcpu); // the next wake-up looks for another one
      pool.tickle(pcpu);
    }
  }
}
