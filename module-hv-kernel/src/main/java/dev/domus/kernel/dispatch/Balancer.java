package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.CpuMask;

/**
 * Keeps the run queues of a pool from idling beside each other's work, and evens them out.
 *
 * <p>Mechanism is here: who asks whom, and when. What is given away, if anything, the scheduler of
 * the queue that has it decides ({@link dev.domus.kernel.sched.Scheduler#offer}).
 *
 * <ul>
 *   <li>A pCPU that was told to idle asks the other queues in turn before it parks ({@link
 *       #fetch}): work stealing.
 *   <li>A unit that wakes where all pCPUs are busy wakes an idle pCPU of another queue, which then
 *       fetches it ({@link #wakeSomebodyFor}).
 *   <li>Every {@value #PERIOD_NANOS} ns a queue asks the one with the greatest load, if that is
 *       greater than its own, and wakes an idle pCPU elsewhere if units wait in it ({@link #even}):
 *       affinities change, and a queue that was asked may have been busy.
 * </ul>
 *
 * <p><b>Locks.</b> A thread here holds no seat's lock, and takes that of the giver by trying only:
 * two queues that ask each other at once do not wait, they go without. What is given goes through
 * the taker's mailbox, so it is never in between where a lost thread could lose it.
 */
final class Balancer {
  private static final long PERIOD_NANOS = 10_000_000;

  private final Seat[] seats;

  Balancer(Seat[] seats) {
    this.seats = seats;
  }

  Seat[] seats() {
    return seats;
  }

  /** Whether there is anything to balance. */
  boolean isNeeded() {
    return seats.length > 1;
  }

  /** An idle pCPU looks for work elsewhere; true if some is on its way to its run queue. */
  boolean fetch(PcpuThread self) {
    Seat mine = self.cpu.seat;
    for (int from = 0; from < seats.length - 1; from++) {
      Seat giver = seats[(indexOf(mine) + 1 + from) % seats.length];
      if (giver.hasWaiting() && giver.giveTo(mine, self)) {
        return true;
      }
    }
    return false;
  }

  /** Whether the time has come to {@link #even} a run queue. Its pCPUs' threads only. */
  boolean isDue(Seat mine, long nowNanos) {
    return isNeeded() && nowNanos - mine.balancedNanos >= PERIOD_NANOS;
  }

  /** Asks the run queue with the greatest load for something, if that is not its own. */
  void even(PcpuThread self, long nowNanos) {
    Seat mine = self.cpu.seat;
    mine.balancedNanos = nowNanos;
    Seat heaviest = mine;
    for (Seat seat : seats) {
      if (seat.hasWaiting() && seat.load() > heaviest.load()) {
        heaviest = seat;
      }
    }
    if (heaviest != mine) {
      heaviest.giveTo(mine, self);
    }
    if (mine.hasWaiting()) {
      wakeSomebody(mine);
    }
  }

  /** Whoever idles looks again: what waits may only now be allowed to go there. */
  private void wakeSomebody(Seat busy) {
    for (Seat seat : seats) {
      if (seat != busy && seat.cpus.wakeIdle(CpuMask.ALL)) {
        return;
      }
    }
  }

  /** A unit has become runnable where all pCPUs are busy. Any thread. */
  void wakeSomebodyFor(Seat busy, DispatchUnit unit) {
    for (Seat seat : seats) {
      if (seat != busy && seat.cpus.wakeIdle(unit.params().affinity())) {
        return;
      }
    }
  }

  private int indexOf(Seat seat) {
    for (int i = 0; i < seats.length; i++) {
      if (seats[i] == seat) {
        return i;
      }
    }
    return 0;
  }
}
