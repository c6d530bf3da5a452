package dev.domus.kernel.dispatch;

import dev.domus.kernel.dispatch.Runner.SliceEnd;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

/**
 * A physical CPU of a run queue: a host thread that runs units, one slice after another.
 *
 * <p>Two flags make others heard without a lock; each is one half of a Dekker pair whose other half
 * this thread writes before it looks:
 *
 * <ul>
 *   <li>{@code attention}: set by {@link #kick}, then {@code current} is read and its runner
 *       preempted; this thread sets {@code current}, then reads {@code attention} before it enters
 *       the guest.
 *   <li>{@code idle}: this thread sets it, then looks into the mailbox once more before it parks; a
 *       poster posts, then looks for an idle pCPU. Whoever turns {@code idle} off owes the unpark,
 *       so a burst of wake-ups unparks a thread once.
 * </ul>
 */
final class Pcpu {
  private static final VarHandle IDLE;

  static {
    try {
      IDLE = MethodHandles.lookup().findVarHandle(Pcpu.class, "idle", boolean.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** With less than 1/64 of it left, a slice is over. */
  private static final int SPENT_SHIFT = 6;

  /** The run queue it serves. */
  final Seat seat;

  /** How the queue's scheduler calls it. */
  final int index;

  /** How the machine calls it. */
  final int number;

  /** The core that it leads, or null if it is a pCPU for itself. */
  final Core core;

  private volatile PcpuThread thread;
  private volatile boolean attention;
  private volatile boolean idle;

  // Written under the seat's lock, by this pCPU's thread.
  volatile DispatchUnit current;
  long startedNanos;
  long idleUntilNanos;

  /** How much CPU time {@code current} may use. */
  long sliceNanos;

  // This pCPU's thread only, in wall time: when to look at what is left, and when it last looked.
  private long deadlineNanos;
  long endedNanos;

  /** Guarded by the seat's lock: tickled since its last pick. */
  boolean tickled;

  /** Guarded by the seat's lock: its thread has ended, or is about to. */
  boolean home;

  /** Guarded by the seat's lock: the scheduler said to idle, and has not been asked since. */
  boolean toldToIdle;

  Pcpu(Seat seat, int index, int number) {
    this.seat = seat;
    this.index = index;
    this.number = number;
    int size = seat.pool.granularity();
    this.core = size == 1 ? null : new Core(this, size);
  }

  /** Starts the thread, or a new one in place of one that is lost. */
  void start() {
    PcpuThread t = new PcpuThread(this);
    thread = t;
    t.start();
  }

  PcpuThread thread() {
    return thread;
  }

  /** What measures a unit that runs here, or a part of one; null if that is not known just now. */
  RunMeter meterOf(DispatchUnit unit) {
    Core c = core; // null where the unit has just moved from here to cores
    return c != null && unit.isPart()
        ? c.places[unit.vcpu() % c.places.length].meter()
        : thread.meter;
  }

  /**
   * Waits for the end of the thread, and of one that replaces it meanwhile.
   *
   * @return whether it has ended in time
   */
  boolean join(long patienceNanos) {
    boolean interrupted = false;
    long start = System.nanoTime();
    for (PcpuThread t = thread; t.isAlive(); t = thread) {
      if (System.nanoTime() - start > patienceNanos) {
        break;
      }
      try {
        t.join(Math.clamp(patienceNanos / 1_000_000, 1, 50));
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return !thread.isAlive();
  }

  // ------------------------------------------------------------------ any thread

  /** Makes the pCPU look into the mailbox, and decide anew if it was tickled. Never blocks. */
  void kick() {
    attention = true;
    if (!wakeIfIdle()) {
      DispatchUnit unit = current;
      if (unit != null) {
        unit.runner.preempt();
      }
    }
  }

  /** Ends idling; false if the pCPU is not idle, or somebody else has ended it. */
  boolean wakeIfIdle() {
    if (idle && IDLE.compareAndSet(this, true, false)) {
      LockSupport.unpark(thread);
      return true;
    }
    return false;
  }

  boolean isIdle() {
    return idle;
  }

  void hearAll() {
    attention = false;
  }

  // ------------------------------------------------------------------ its thread

  void loop(PcpuThread self) {
    DispatchUnit unit = null;
    SliceEnd end = null;
    do {
      if (core != null) {
        core.staff();
      }
      while (!seat.stopping()) {
        DispatchUnit next = seat.reschedule(self, unit, end);
        if (next == null) {
          if (!seat.pool.balancer().fetch(self)) {
            idle();
          }
        } else {
          if (next == unit && end == SliceEnd.YIELDED) {
            // Nobody else here: the guest waits for something outside, which may want this host
            // CPU.
            Thread.yield();
          }
          end = run(self, next);
          if (seat.pool.balancer().isDue(seat, endedNanos)) {
            seat.retire(self, next, end); // nothing is in its hands while it is in another's queue
            seat.pool.balancer().even(self, endedNanos);
            next = null;
          }
        }
        unit = next;
      }
      seat.retire(self, unit, end);
      unit = null;
      if (core != null) {
        core.dismiss();
      }
    } while (!seat.goHome(this));
  }

  private void idle() {
    idle = true;
    while (hasNothingToRun()) {
      if (!seat.pool.dispatcher.idleWork().doSome()) {
        Thread.interrupted(); // or it would not park
        seat.clock.idle(idleUntilNanos);
      }
    }
    idle = false;
  }

  private boolean hasNothingToRun() {
    return idle
        && !attention
        && seat.mailbox.isEmpty()
        && !seat.stopping()
        && seat.clock.nanoTime() < idleUntilNanos;
  }

  /** Gives the pCPU to a unit. With the seat's lock. */
  void begin(PcpuThread self, DispatchUnit unit, long nowNanos, long newSliceNanos) {
    startedNanos = nowNanos;
    sliceNanos = newSliceNanos;
    deadlineNanos = nowNanos + newSliceNanos;
    self.meter.begin(nowNanos);
    current = unit;
  }

  /**
   * Runs a unit to the end of its slice, past interruptions that do not concern it. A slice is CPU
   * time: where the host has stolen a part of it, the unit goes on for what is left.
   */
  private SliceEnd run(PcpuThread self, DispatchUnit unit) {
    unit.runner.runstateChanged(RunstateInfo.RUNNING, startedNanos);
    if (unit.isTraced()) {
      seat.tracer.switchIn(unit.domid(), unit.vcpu(), sliceNanos);
    }
    SliceEnd end;
    do {
      end = attention || unit.mustLeave() ? SliceEnd.PREEMPTED : slice(unit, deadlineNanos);
      endedNanos = seat.clock.nanoTime();
      self.meter.measure(endedNanos);
    } while (goesOn(self, unit, end));
    if (end == SliceEnd.PREEMPTED || end == SliceEnd.EXPIRED) {
      end = isSpent(leftNanos(self)) ? SliceEnd.EXPIRED : SliceEnd.PREEMPTED;
    }
    unit.runner.runstateChanged(unit.waitingState(), endedNanos);
    return end;
  }

  private boolean goesOn(PcpuThread self, DispatchUnit unit, SliceEnd end) {
    boolean wantsToGoOn =
        switch (end) {
          case PREEMPTED, EXPIRED -> true;
          case BLOCKED -> !unit.fallAsleep(false);
          case OFFLINE -> !unit.fallAsleep(true);
          case YIELDED -> false;
        };
    long left = leftNanos(self);
    if (!wantsToGoOn || isSpent(left) || unit.mustLeave() || attention && !seat.attend(self)) {
      return false;
    }
    if (endedNanos >= deadlineNanos) {
      deadlineNanos = endedNanos + left;
    }
    return true;
  }

  private long leftNanos(PcpuThread self) {
    return sliceNanos - self.meter.ranNanos();
  }

  /** What is left is not worth another turn in the guest: a part that host interrupts steal too. */
  private boolean isSpent(long leftNanos) {
    return leftNanos <= sliceNanos >> SPENT_SHIFT;
  }

  /** Enters a guest. Whatever comes out of it, this returns. */
  static SliceEnd slice(DispatchUnit unit, long deadlineNanos) {
    try {
      return unit.runner.runSlice(deadlineNanos);
    } catch (Throwable e) { // whatever the kernel's vCPU got wrong: this pCPU has others to run
      unit.pause();
      unit.runner.crashed(e);
      return SliceEnd.OFFLINE;
    }
  }
}
