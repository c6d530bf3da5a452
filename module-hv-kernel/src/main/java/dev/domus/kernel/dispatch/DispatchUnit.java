package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.trace.ring.Tracer;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * One vCPU in a pool: the generic record that schedulers see as {@link SchedUnit}, and what the
 * kernel does with it. In a pool of cores schedulers see {@link CoreUnit}s instead, of which the
 * vCPUs are parts.
 *
 * <h2>Sleep and wake</h2>
 *
 * <p>{@code word} is what the unit itself wants:
 *
 * <pre>
 *    AWAKE  --wake--&gt;  WOKEN  --prepareToBlock--&gt;  AWAKE
 *    AWAKE  --runSlice returned BLOCKED or OFFLINE (compare-and-set)--&gt;  BLOCKED, OFFLINE
 *    BLOCKED, OFFLINE  --wake (compare-and-set; the winner puts the unit into the mailbox)--&gt;  WOKEN
 * </pre>
 *
 * <p>No wake-up is lost: the waker first changes what the guest waits for, then reads {@code word};
 * the runner first sets it to AWAKE, then reads what it waits for; both with full fences between.
 * So either the runner sees the change, or the waker sees AWAKE and makes it WOKEN, and then the
 * compare-and-set to BLOCKED fails and the runner is run once more, or the waker sees BLOCKED. A
 * wake of a unit that is already WOKEN is one read. ({@code prepareToBlock} spares the useless run
 * that an old wake would cost; without it nothing is lost either.)
 *
 * <p>{@code pauses} is what others want of it, and counts. It may run iff {@code word} is AWAKE or
 * WOKEN and {@code pauses} is 0: see {@link #wantsCpu}. What the scheduler was told is {@code
 * runnable}, guarded by the seat's lock and brought up to date through the mailbox.
 */
public sealed class DispatchUnit implements SchedUnit permits CoreUnit {
  private static final int AWAKE = 0;
  private static final int WOKEN = 1;
  private static final int BLOCKED = 2;
  private static final int OFFLINE = 3;

  private static final VarHandle WORD;
  private static final VarHandle PAUSES;
  private static final VarHandle DIRTY;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      WORD = lookup.findVarHandle(DispatchUnit.class, "word", int.class);
      PAUSES = lookup.findVarHandle(DispatchUnit.class, "pauses", int.class);
      DIRTY = lookup.findVarHandle(DispatchUnit.class, "dirty", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** The run queue it is in. Written under the lock of the one it leaves. */
  volatile Seat seat;

  /** The pool that it is to move to, or null. */
  private volatile Pool target;

  /** What it is scheduled with, in a pool of cores; else null. */
  private volatile CoreUnit part;

  final Runner runner;
  final RunstateAccount runstate;
  private final Tracer tracer;

  private final int domid;
  private final int vcpu;
  private final String label;

  private volatile int word = OFFLINE;
  private volatile int pauses;
  private volatile int dirty;

  /** The link of the mailbox. Owned by who made the unit dirty, then by the mailbox. */
  DispatchUnit nextDirty;

  /** {@link Pool#remove} was called. Set once. */
  volatile boolean removing;

  /** The pCPU that has it, or null. Written under the seat's lock. */
  volatile Pcpu on;

  /** Threads that wait for {@code on} to become null, in this object's monitor. */
  private volatile int waiters;

  /** What the operator wants; applied to {@code params} under the seat's lock. */
  private volatile UnitParams wanted;

  private volatile boolean adjusted;

  // Guarded by the seat's lock.
  private UnitParams params;

  /** Affinities in the numbers of the run queue. */
  private CpuMask affinityHere, softAffinityHere;

  boolean inserted;
  boolean runnable;
  int lastPcpu = -1;

  /** The machine's number of the pCPU that ran it last, or -1. */
  volatile int lastNumber = -1;

  private long standingNanos;
  private Object data;

  /** How long it may wait by its operator's wish, as its scheduler says. */
  private long mayWaitNanos;

  /** The slots of the outgoing scheduler, during a swap that may still be rolled back. */
  private Object savedData;

  private long savedMayWaitNanos;

  /** {@link Seat#deliveredNanos} when it began to wait; and its waiting beside an idle pCPU. */
  long waitingSinceDelivered;

  int idleTicks;

  /** When it was last put, woken or picked: the order in which a swap inserts. */
  long queuedAtNanos;

  /** The built-in round-robin's queue: not in the data slot, which plugins write. */
  DispatchUnit nextInTurn;

  boolean hasTurn;

  DispatchUnit(Seat seat, Runner runner, int domid, int vcpu, UnitParams params, long nowNanos) {
    this.seat = seat;
    this.runner = runner;
    this.tracer = seat.tracer;
    this.domid = domid;
    this.vcpu = vcpu;
    this.label = runner.label();
    this.wanted = params;
    applyParams(seat.cpus.numbers());
    this.runstate = new RunstateAccount(nowNanos);
  }

  // ------------------------------------------------------------------ for the kernel, any thread

  /**
   * Ends {@code BLOCKED} and {@code OFFLINE}; remembered if the unit is about to block. Any thread;
   * never blocks, never runs scheduler code, allocates nothing. Everything that the caller wrote
   * before is seen by the runner's last look before it blocks.
   */
  public void wake() {
    VarHandle.fullFence();
    for (; ; ) {
      int w = word;
      if (w == WOKEN) {
        return;
      }
      long at = w == AWAKE ? Tracer.OFF : tracer.beforeWake();
      if (WORD.compareAndSet(this, w, WOKEN)) {
        tracer.wake(at, domid, vcpu);
        if (w != AWAKE) {
          markDirty();
        }
        return;
      }
    }
  }

  /**
   * By the runner, in {@code runSlice}, before its last look at what it would wait for: a {@link
   * #wake} from now on keeps it from blocking.
   */
  public void prepareToBlock() {
    word = AWAKE;
    VarHandle.fullFence();
  }

  /**
   * Keeps the unit from running until as many {@link #resume}s. Any thread; does not wait: the unit
   * may be on its pCPU for some microseconds more. Never runs scheduler code.
   */
  public void pause() {
    PAUSES.getAndAdd(this, 1);
    leaveCpu();
  }

  /**
   * Like {@link #pause}, and returns when the unit is off its pCPU. Waits for no scheduler.
   *
   * @throws IllegalStateException on the pCPU thread that runs this very unit
   */
  public void pauseAndWait() {
    refuseOnOwnThread("paused and waited for");
    pause();
    awaitOffCpu();
  }

  /**
   * Takes one {@link #pause} back.
   *
   * @throws IllegalStateException if it is not paused
   */
  public void resume() {
    int before;
    do {
      before = pauses;
      if (before == 0) {
        throw new IllegalStateException("not paused: unit=" + label);
      }
    } while (!PAUSES.compareAndSet(this, before, before - 1));
    if (before == 1) {
      markDirty();
      tellWaiters(); // it may be back on a pCPU before they have seen it off
    }
  }

  /** Whether it is paused. */
  public boolean paused() {
    return pauses != 0;
  }

  /**
   * Changes weight, cap, affinity or parameters; takes effect at the next decision that concerns
   * it.
   *
   * @throws IllegalArgumentException if no pCPU of the pool is in the affinity
   */
  public void params(UnitParams newParams) {
    seat.pool.checkAffinity(newParams, domid, vcpu);
    wants(newParams);
    CoreUnit whole = part; // which may be new: whoever made it so has read `wanted` after that
    if (whole != null) {
      whole.recombine();
    }
  }

  /** Takes what the operator wants for true. */
  void wants(UnitParams newParams) {
    wanted = newParams;
    adjusted = true;
    leaveCpu(); // it may be on a pCPU that is no longer allowed
  }

  /** The same for one that is about to be inserted somewhere. */
  void foresee(UnitParams newParams) {
    wanted = newParams;
  }

  /** What the operator wants of it. */
  public UnitParams params() {
    return wanted;
  }

  /** Reads the run state, consistently. Any thread. */
  public void runstate(RunstateInfo into) {
    runstate.read(into);
  }

  /**
   * CPU time that it has had up to now: what it is charged, and while it runs what its pCPU's
   * thread has used for it, a few microseconds more or less. Any thread. Allocates; for listings.
   */
  public long cpuTimeNanos() {
    RunstateInfo info = new RunstateInfo();
    for (; ; ) {
      runstate.read(info);
      Pcpu cpu = on;
      if (cpu == null || info.state() != RunstateInfo.RUNNING) {
        return info.ranNanos();
      }
      long since = info.sinceNanos();
      RunMeter meter = cpu.meterOf(this); // none yet if the watchdog has just replaced the thread
      long running = meter == null ? 0 : meter.soFarNanos(since, seat.clock.nanoTime());
      long before = info.ranNanos();
      runstate.read(info);
      if (info.sinceNanos() == since && info.state() == RunstateInfo.RUNNING) {
        return before + running; // it was this run that was asked for
      }
    }
  }

  /** The pool it is in. */
  public Pool pool() {
    return seat.pool;
  }

  // ------------------------------------------------------------------ for the dispatcher

  /** Whether it should be on a pCPU or wait for one. */
  boolean wantsCpu() {
    return word < BLOCKED && pauses == 0 && !removing;
  }

  /** Whether somebody wants it off its pCPU, whatever the scheduler says. */
  boolean mustLeave() {
    return pauses != 0 || isLeaving() || adjusted && part == null;
  }

  /** Whether it is on its way out of its pool. */
  boolean isLeaving() {
    return removing || target != null;
  }

  /** Whether it wants a pCPU and nobody has anything against it. */
  boolean mayRun() {
    return word < BLOCKED && !mustLeave();
  }

  /** Whether it is a part of a unit, which alone is known to the run queue. */
  boolean isPart() {
    return part != null;
  }

  /** With the lock of the seat that is to know it: parts that are to leave it do. */
  void regroup(long nowNanos) {}

  /** The pCPUs of its pool have changed. */
  void adaptToPool() {}

  /** With the seat's lock: applies what the operator wants; false if that is nothing new. */
  boolean applyParams() {
    if (!adjusted) {
      return false;
    }
    applyParams(seat.cpus.numbers());
    return true;
  }

  /** With the seat's lock: what the operator wants, in the numbers of the run queue. */
  void applyParams(int[] numbers) {
    adjusted = false;
    params = wanted;
    affinityHere = params.affinity().renumbered(numbers);
    softAffinityHere = params.softAffinity().renumbered(numbers);
  }

  /** With the seat's lock: where it should be, which is usually where it is. */
  Seat destination() {
    Pool wantedPool = target;
    if (wantedPool != null) {
      return wantedPool.seatFor(this);
    }
    return adjusted ? seat.pool.seatFor(this) : seat;
  }

  /** With the lock of the seat that it leaves, and by nobody known: it is elsewhere from now on. */
  void settle(Seat elsewhere) {
    lastPcpu = -1;
    if (elsewhere.pool.granularity() > 1 && !(this instanceof CoreUnit)) {
      elsewhere.pool.gangs().join(this, elsewhere);
    } else {
      becomePartOf(null, elsewhere);
    }
    markDirty();
    synchronized (this) {
      notifyAll();
    }
  }

  /**
   * With the lock of the seat that it leaves: it is in another, by itself or as a part.
   *
   * @param unitOrNull whose part it is; told so only after this
   */
  void becomePartOf(CoreUnit unitOrNull, Seat elsewhere) {
    part = unitOrNull; // before the seat, lest it be put into the mailbox there as a whole
    seat = elsewhere;
    if (elsewhere.pool == target) {
      target = null;
    }
  }

  /** It is being removed: nobody need wait for it to come anywhere. */
  void endMove() {
    target = null;
    synchronized (this) {
      notifyAll();
    }
  }

  /** Moves it to another pool, and returns when it is there, or removed. */
  void moveTo(Pool other) {
    refuseOnOwnThread("moved");
    CoreUnit whole = part;
    if (whole != null) {
      whole.refuseOnOwnThread("moved");
    }
    target = other;
    leaveCpu();
    boolean interrupted = false;
    synchronized (this) {
      while (target != null) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** By its pCPU thread: falls asleep, unless a wake came in between, which is consumed. */
  boolean fallAsleep(boolean offline) {
    if (WORD.compareAndSet(this, AWAKE, offline ? OFFLINE : BLOCKED)) {
      return true;
    }
    prepareToBlock(); // the runner looks again, and this time it may sleep
    return false;
  }

  /** The run state of a unit that is not on a pCPU. */
  int waitingState() {
    int w = word;
    if (pauses != 0 || removing || w == OFFLINE) {
      return RunstateInfo.OFFLINE;
    }
    return w == BLOCKED ? RunstateInfo.BLOCKED : RunstateInfo.RUNNABLE;
  }

  /** With the seat's lock, while it is on no pCPU: brings its run state up to date. */
  void enterWaitingState(long nowNanos) {
    runstate.enter(waitingState(), nowNanos);
  }

  /** The run state of a unit that was found not to be runnable, whatever has come since. */
  int sleepingState() {
    return pauses != 0 || removing || word == OFFLINE ? RunstateInfo.OFFLINE : RunstateInfo.BLOCKED;
  }

  /** Puts it into its run queue's mailbox, unless it is in one already. */
  void markDirty() {
    CoreUnit whole = part;
    if (whole != null) {
      whole.memberChanged(this);
    } else if (dirty == 0 && DIRTY.compareAndSet(this, 0, 1)) {
      seat.post(this);
    }
  }

  /** By who took it out of the mailbox, before it looks at the state. */
  void markClean() {
    dirty = 0;
    VarHandle.fullFence();
  }

  /** After a change that its pCPU or its scheduler must see: has it looked at. */
  void leaveCpu() {
    VarHandle.fullFence(); // the change before, the reading of `on` after: as in Pcpu.run
    if (on != null) {
      runner.preempt();
    }
    markDirty();
  }

  /**
   * After {@link #pause}: returns when the unit is off its pCPU, or somebody else has taken the
   * pause back. Waits for no scheduler.
   *
   * @throws IllegalStateException on the pCPU thread that runs this very unit
   */
  public void awaitOffCpu() {
    refuseOnOwnThread("waited for");
    if (on == null) {
      return;
    }
    boolean interrupted = false;
    synchronized (this) {
      waiters++;
      while (on != null && (pauses != 0 || removing)) {
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      waiters--;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** By its pCPU thread, with the seat's lock, after the last touch of the runner. */
  void offCpu() {
    on = null;
    tellWaiters();
  }

  private void tellWaiters() {
    if (waiters != 0) {
      synchronized (this) {
        notifyAll();
      }
    }
  }

  void refuseOnOwnThread(String what) {
    if (Thread.currentThread() instanceof PcpuThread thread && thread.runs(this)) {
      throw new IllegalStateException(
          "a unit cannot be %s by the pCPU thread that runs it: unit=%s".formatted(what, label));
    }
  }

  /** Whether its coming and going is recorded by who schedules it. */
  boolean isTraced() {
    return true;
  }

  /** It has come off its pCPU. */
  void traceOff(Tracer to, PutReason reason, long ranNanos, long at) {
    boolean slept = reason == PutReason.SLEPT;
    int state = slept ? sleepingState() : RunstateInfo.RUNNABLE;
    to.switchOut(domid, vcpu, reason.ordinal(), state, ranNanos, at);
    if (slept) {
      to.block(domid, vcpu, state, at);
    }
  }

  // ------------------------------------------------------------------ for schedulers

  @Override
  public int domid() {
    return domid;
  }

  @Override
  public int vcpu() {
    return vcpu;
  }

  @Override
  public String label() {
    return label;
  }

  @Override
  public int weight() {
    return params.weight();
  }

  @Override
  public int cap() {
    return params.cap();
  }

  @Override
  public CpuMask affinity() {
    return affinityHere;
  }

  @Override
  public CpuMask softAffinity() {
    return softAffinityHere;
  }

  @Override
  public SchedParameters parameters(SchedulerFactory scheduler) {
    return SchedParameters.ofUnit(scheduler, params.given(scheduler.name()));
  }

  @Override
  public long runNanos() {
    return runstate.ranNanos();
  }

  @Override
  public boolean runnable() {
    return runnable;
  }

  @Override
  public int runningOn() {
    Pcpu cpu = on;
    return cpu == null ? -1 : cpu.index;
  }

  @Override
  public int lastPcpu() {
    return lastPcpu;
  }

  @Override
  public long standingNanos() {
    return standingNanos;
  }

  @Override
  public void standingNanos(long nanos) {
    seat.checkInCall();
    standingNanos = nanos;
  }

  @Override
  public void mayWaitNanos(long nanos) {
    seat.checkInCall();
    if (nanos < mayWaitNanos) {
      seat.forgiveWait(this); // it did not wait for this scheduler's neglect
    }
    mayWaitNanos = nanos;
  }

  @Override
  public Object data() {
    return data;
  }

  @Override
  public void data(Object newData) {
    seat.checkInCall();
    data = newData;
  }

  /** Clears what schedulers wrote. */
  void clearStanding() {
    standingNanos = 0;
  }

  /** How long it may wait on top of what is fair. With the seat's lock. */
  long mayWaitNanos() {
    return mayWaitNanos;
  }

  /** Clears what a scheduler keeps of it. With the seat's lock, as what follows. */
  void clearSlots() {
    data = null;
    mayWaitNanos = 0;
  }

  /** Puts what a scheduler keeps of it aside, and clears it. */
  void saveSlots() {
    savedData = data;
    savedMayWaitNanos = mayWaitNanos;
    clearSlots();
  }

  /** Puts back what {@link #saveSlots} put aside. */
  void restoreSlots() {
    data = savedData;
    mayWaitNanos = savedMayWaitNanos;
    savedData = null;
  }

  /** Forgets what {@link #saveSlots} put aside. */
  void dropSavedSlots() {
    savedData = null;
  }

  @Override
  public String toString() {
    return label;
  }
}
