package dev.domus.kernel.dispatch;

import dev.domus.kernel.dispatch.Runner.SliceEnd;
import dev.domus.kernel.sched.PutReason;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

/**
 * One pCPU of a {@link Core}: a thread that runs one vCPU of whatever unit the core has, while that
 * one wants to run. The first place is the leader's, whose thread is the pCPU thread that decides
 * for the core; the threads of the others do nothing else than this.
 *
 * <p>A vCPU's run state is written by its place while the place is open to it, and by the holder of
 * the run queue's lock while its unit is on no core: never by two at once.
 */
final class Place {
  private static final int CLOSED = 0;
  private static final int OPEN = 1;
  private static final int INSIDE = 2;

  /** How often a thread looks before it parks: for longer than a decision takes. */
  private static final int SPINS = 500;

  private static final VarHandle STATE;

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(Place.class, "state", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final Core core;
  private final int index;

  /** How the machine calls the pCPU. */
  final int number;

  private volatile int state = CLOSED;
  private volatile boolean parked;
  private volatile PcpuThread thread;

  /** What is in its hands: whoever ends the turn preempts it. */
  private volatile DispatchUnit current;

  /** Of the thread, on its own CPU clock. */
  private volatile RunMeter meter;

  /** What the host has stolen from it in this turn. By the thread, then by the leader's. */
  private long stolenNanos;

  Place(Core core, int index, int number) {
    this.core = core;
    this.index = index;
    this.number = number;
  }

  // ------------------------------------------------------------------ threads

  /** Starts the thread of a place that is not the leader's. */
  void start() {
    PcpuThread t = new PcpuThread(core.leader, this);
    thread = t;
    t.start();
  }

  /** Waits until that thread has gone home. */
  void join() {
    boolean interrupted = false;
    PcpuThread t = thread;
    LockSupport.unpark(t);
    while (t.isAlive()) {
      try {
        t.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** By a thread that begins to serve here, perhaps in place of one that is lost. */
  void adopt(PcpuThread self) {
    thread = self;
    meter = new RunMeter(core.clock.cpuTime(), core.clock.nanoTime());
  }

  boolean isLeaders() {
    return index == 0;
  }

  // ------------------------------------------------------------------ any thread

  /** What runs here, or null. */
  DispatchUnit current() {
    return current;
  }

  RunMeter meter() {
    return meter;
  }

  /** Has the thread look at its vCPU. */
  void nudge() {
    if (parked) {
      LockSupport.unpark(thread);
    }
  }

  void preempt() {
    DispatchUnit unit = current;
    if (unit != null) {
      unit.runner.preempt();
    }
  }

  // ------------------------------------------------------------------ the leader's thread

  /** A turn begins. */
  void open() {
    state = OPEN;
    if (hasWork()) {
      nudge();
    }
  }

  /** A turn ends; false if a vCPU is inside. */
  boolean close() {
    return state == CLOSED || STATE.compareAndSet(this, OPEN, CLOSED);
  }

  /** After the turn: what the host has stolen in it. */
  long takeStolen() {
    long stolen = stolenNanos;
    stolenNanos = 0;
    return stolen;
  }

  /** The leader's part in a turn, until that is over. */
  void lead() {
    Gang gang = core.gang();
    while (!core.over()) {
      work();
      if (!gang.anyMayRun()) {
        core.end(SliceEnd.BLOCKED, this);
      } else if (!core.over()) {
        await();
      }
    }
  }

  /**
   * By the leader's thread: waits for another place's to leave, which nudges it, or for a while.
   */
  void awaitOut(Place other, long nanos) {
    parked = true;
    if (other.state == INSIDE) {
      Thread.interrupted(); // or it would not park
      LockSupport.parkNanos(this, nanos);
    }
    parked = false;
  }

  // ------------------------------------------------------------------ its thread

  /** The life of a place that is not the leader's. */
  void loop() {
    while (!core.dismissed()) {
      if (hasWork() && STATE.compareAndSet(this, OPEN, INSIDE)) {
        work();
        state = OPEN;
        core.places[0].nudge(); // it may wait for this one, or for work for the unit
      } else {
        await();
      }
    }
  }

  private void await() {
    for (int i = 0; i < SPINS; i++) {
      if (hasNews()) {
        return;
      }
      Thread.onSpinWait();
    }
    parked = true;
    while (!hasNews()) {
      Thread.interrupted(); // or it would not park
      LockSupport.park(this);
    }
    parked = false;
  }

  private boolean hasNews() {
    return isLeaders()
        ? core.over() || hasSomethingToDo() || !core.gang().anyMayRun()
        : core.dismissed() || hasWork();
  }

  private boolean hasWork() {
    return state == OPEN && !core.over() && hasSomethingToDo();
  }

  /** Whether its vCPU wants to run, or has fallen from one kind of sleep into another. */
  private boolean hasSomethingToDo() {
    DispatchUnit unit = core.gang().member(index);
    return unit != null && (unit.mayRun() || unit.waitingState() != unit.runstate.state());
  }

  /** Runs the vCPU as long as it wants to and the turn lasts. */
  private void work() {
    DispatchUnit unit = core.gang().member(index);
    if (unit != null) {
      while (!core.over() && unit.mayRun()) {
        run(unit);
      }
      unit.runstate.enter(unit.waitingState(), core.clock.nanoTime());
    }
  }

  private void run(DispatchUnit unit) {
    PcpuClock clock = core.clock;
    current = unit;
    unit.on = core.leader;
    if (!core.over() && unit.mayRun()) {
      long beganNanos = clock.nanoTime();
      unit.lastNumber = number;
      unit.runstate.enter(RunstateInfo.RUNNING, beganNanos);
      unit.runner.runstateChanged(RunstateInfo.RUNNING, beganNanos);
      core.leader.seat.tracer.switchIn(
          unit.domid(), unit.vcpu(), core.deadlineNanos() - beganNanos);
      meter.begin(beganNanos);
      SliceEnd end;
      long endedNanos;
      do {
        end = core.over() || unit.mustLeave() ? SliceEnd.PREEMPTED : slice(unit);
        endedNanos = clock.nanoTime();
        meter.measure(endedNanos);
      } while (goesOn(unit, end, endedNanos));
      stolenNanos += meter.takeStolen();
      int waiting = unit.waitingState();
      unit.runner.runstateChanged(waiting, endedNanos);
      trace(unit, end, endedNanos);
      unit.runstate.leaveCpu(waiting, endedNanos, meter.ranNanos());
    }
    current = null;
    unit.offCpu();
  }

  private SliceEnd slice(DispatchUnit unit) {
    return Pcpu.slice(unit, core.deadlineNanos());
  }

  /** Whether the vCPU stays in the guest; says so if that ends the turn. */
  private boolean goesOn(DispatchUnit unit, SliceEnd end, long endedNanos) {
    if (endedNanos >= core.deadlineNanos()) {
      core.end(SliceEnd.EXPIRED, this);
    }
    switch (end) {
      case BLOCKED, OFFLINE -> {
        if (unit.fallAsleep(end == SliceEnd.OFFLINE)) {
          return false;
        }
      }
      case YIELDED -> {
        if (core.gang().anyMayRunBut(unit)) {
          Thread.yield(); // what it waits for may be at work beside it
        } else {
          core.end(SliceEnd.YIELDED, this);
        }
      }
      case PREEMPTED, EXPIRED -> {}
    }
    return !core.over() && unit.mayRun();
  }

  private void trace(DispatchUnit unit, SliceEnd end, long at) {
    boolean sleeps = !unit.wantsCpu();
    PutReason reason =
        switch (end) {
          case BLOCKED, OFFLINE -> PutReason.SLEPT;
          case YIELDED -> PutReason.YIELDED;
          case EXPIRED -> PutReason.EXPIRED;
          case PREEMPTED -> sleeps ? PutReason.SLEPT : PutReason.PREEMPTED;
        };
    unit.traceOff(core.leader.seat.tracer, reason, meter.ranNanos(), at);
  }
}
