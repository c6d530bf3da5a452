package dev.domus.kernel.dispatch;

import dev.domus.kernel.dispatch.PluginCall.Verb;
import dev.domus.kernel.dispatch.Runner.SliceEnd;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.RunQueue;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.trace.ring.Tracer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * A run queue: some pCPUs of a pool, the units that wait for them, and the scheduler that sits
 * there. Asks it, checks it, and puts it off its seat when it fails. Most schedulers want one run
 * queue in a pool; see {@link SchedulerFactory#runQueueOf}.
 *
 * <h2>One way in</h2>
 *
 * <p>{@link PluginCall} is the only place from which plugin code is entered, by pCPU threads of the
 * pool between two slices, with the seat's lock. Whatever the kernel changes, it changes before the
 * call: when plugin code runs, all that the lock guards is consistent. So a call can be cut off at
 * any point, by an exception in the same thread, or by the watchdog from outside ({@link
 * PoolLock}), and the built-in round-robin continues from the kernel's own records. It needs
 * nothing from the scheduler that failed.
 *
 * <h2>Levels, not edges</h2>
 *
 * <p>The scheduler learns of wake-ups, pauses, changed parameters, new and removed units from
 * {@link #reconcile}, which compares what a unit wants with what the scheduler was last told. The
 * mailbox is emptied at the top of each decision, under the same lock, so what a scheduler knows is
 * never older than the decision.
 *
 * <h2>Two times</h2>
 *
 * <p>Where this class says {@code now}, it is wall time. Calls turn it into {@link PoolTime}, from
 * which the time that the host stole is left out; that, and CPU time for what a unit ran, is all
 * that schedulers get to see. What comes back from them is a slice, which is CPU time too and seen
 * to by {@link Pcpu#run}, and the time to idle until, which {@link #choose} turns into wall time.
 */
final class Seat implements SchedPool, RunQueue {
  /** How often another run queue tries to get in: longer than a decision takes. */
  private static final int TRIES = 200;

  final Pool pool;
  final PcpuClock clock;
  final Tracer tracer;
  final Mailbox mailbox = new Mailbox();

  /** The watchdog's notes, for it alone. */
  final Watchdog.Suspicion suspicion = new Watchdog.Suspicion();

  final PcpuSet cpus;

  /** What the scheduler's factory made for all run queues of the pool. */
  private volatile Object shared;

  /** Its pCPUs go home. */
  private volatile boolean stopping;

  /** It has no pCPUs any more; what comes into the mailbox is sent on. */
  private volatile boolean retired;

  private volatile PoolLock lock = new PoolLock();
  private volatile SchedulerFactory factory;

  // Guarded by the lock.
  private Scheduler scheduler;

  /** The units that the scheduler knows. */
  private final List<DispatchUnit> units = new ArrayList<>();

  /** How many of them are runnable. */
  private int runnableUnits;

  /** For the balancer, which reads them without the lock. */
  private volatile int waiting, population;

  private volatile long load;

  /** When its load was last compared with the others'. */
  volatile long balancedNanos;

  /** Units taken from the mailbox and not yet reconciled: here, so that a takeover finds them. */
  private DispatchUnit draining;

  private int running;
  private Swap swap;
  private final PoolTime time;

  /** CPU time given to units since the pool began, slices counted at most in full. */
  long deliveredNanos;

  private final PluginCall call = new PluginCall();

  Seat(Pool pool, int[] numbers) {
    this.pool = pool;
    this.clock = pool.clock;
    this.tracer = pool.dispatcher.tracer();
    this.cpus = new PcpuSet(this, numbers);
    this.time = new PoolTime(numbers.length);
  }

  /** Before the pCPUs start. */
  void install(SchedulerFactory newFactory, Scheduler newScheduler) {
    scheduler = newScheduler;
    factory = newFactory;
  }

  SchedulerFactory factory() {
    return factory;
  }

  void share(Object newShared) {
    shared = newShared;
  }

  /** Makes its pCPUs go home. Waits for nobody. */
  void stop(String why) {
    acquire();
    stopping = true;
    cancelSwap(() -> why);
    release();
    cpus.kickAll();
  }

  /** Takes {@link #stop} back, for those who have gone home already. */
  void restart() {
    acquire();
    stopping = false;
    cpus.startMissing();
    release();
  }

  /** A pCPU's thread is about to end; false if {@link #stop} has been taken back meanwhile. */
  boolean goHome(Pcpu cpu) {
    acquire();
    cpu.home = stopping;
    release();
    return cpu.home;
  }

  /** Whether its pCPUs go home, or have gone. */
  boolean stopping() {
    return stopping;
  }

  /**
   * Gives all units to others, when no pCPU runs any more. What the scheduler knew of them is lost
   * but for what it has exported.
   *
   * @param resettle settles a unit elsewhere
   */
  void disband(Consumer<DispatchUnit> resettle) {
    acquire();
    for (DispatchUnit unit : pool.byWaiting(units)) {
      unit.inserted = false;
      unit.runnable = false;
      unit.clearSlots();
      resettle.accept(unit);
    }
    units.clear();
    population = 0;
    runnableUnits = 0;
    waiting = 0;
    DispatchUnit interrupted = draining;
    draining = null;
    release();
    sendOn(interrupted, resettle);
    retired = true;
    sendOn(mailbox.takeAll(), resettle);
  }

  /** Forwards what came into the mailbox, and settles what never came further. */
  private void sendOn(DispatchUnit first, Consumer<DispatchUnit> resettle) {
    DispatchUnit unit = first;
    while (unit != null) {
      DispatchUnit next = unit.nextDirty;
      unit.markClean();
      if (unit.seat == this && !unit.isPart()) {
        resettle.accept(unit);
      } else {
        unit.markDirty();
      }
      unit = next;
    }
  }

  /** Whether all units that have come here are known to the scheduler. */
  boolean isDrained() {
    acquire();
    boolean drained = draining == null && mailbox.isEmpty();
    release();
    return drained;
  }

  /** The scheduler, when nobody will call it any more. */
  Scheduler deposed() {
    return scheduler;
  }

  /** Puts a unit into the mailbox and sees to it that a pCPU looks there. Lock-free. */
  void post(DispatchUnit unit) {
    boolean first = mailbox.push(unit);
    if (retired) {
      sendOn(mailbox.takeAll(), DispatchUnit::markDirty);
      return;
    }
    if (!first) {
      return; // who made it non-empty is kicking, or has kicked, and what was kicked takes all
    }
    cpus.kickOne(this, unit.lastNumber);
    pool.balancer().wakeSomebodyFor(this, unit);
  }

  /** The units that are here, in no particular order. */
  List<DispatchUnit> snapshot() {
    acquire();
    List<DispatchUnit> copy = new ArrayList<>(units);
    release();
    return copy;
  }

  /** How many units are here, as of late. */
  int population() {
    return population;
  }

  /** Whether units wait here that another run queue may have. A guess, for the balancer. */
  boolean hasWaiting() {
    return waiting > 0 || !mailbox.isEmpty();
  }

  // ------------------------------------------------------------------ what the scheduler sees

  @Override
  public String name() {
    return pool.name();
  }

  @Override
  public int pcpus() {
    return cpus.size();
  }

  @Override
  public Object shared() {
    return shared;
  }

  // ------------------------------------------------------------------ what another's scheduler
  // sees

  @Override
  public long load() {
    return load;
  }

  @Override
  public boolean idles() {
    for (Pcpu cpu : cpus.all()) {
      if (cpu.toldToIdle) {
        return true;
      }
    }
    return false;
  }

  @Override
  public boolean allows(SchedUnit unit) {
    return unit instanceof DispatchUnit u && cpus.overlaps(u.params().affinity());
  }

  @Override
  public void tickle(int pcpu) {
    checkInCall();
    Pcpu cpu = cpus.all()[pcpu];
    if (!cpu.tickled) {
      cpu.tickled = true;
      // Only pCPU threads call schedulers, see PluginCall.
      PcpuThread self = (PcpuThread) Thread.currentThread();
      if (self.cpu != cpu) {
        self.kickLater(cpu);
      }
    }
  }

  void checkInCall() {
    if (!lock.heldByCurrentThread()) {
      throw new IllegalStateException("not inside a call of the kernel: pool=" + pool.name());
    }
  }

  // ------------------------------------------------------------------ the lock

  void acquire() {
    for (; ; ) {
      PoolLock l = lock;
      if (l.acquire()) {
        if (l == lock) {
          return;
        }
        l.release();
      }
    }
  }

  void release() {
    lock.release();
  }

  PoolLock lock() {
    return lock;
  }

  // ------------------------------------------------------------------ the decision

  /**
   * The end of one slice and the beginning of the next, under one hold of the lock.
   *
   * @param previous what has just run here, or null
   * @return what to run now, or null to idle
   */
  DispatchUnit reschedule(PcpuThread self, DispatchUnit previous, SliceEnd end) {
    Pcpu cpu = self.cpu;
    acquire();
    cpu.hearAll();
    cpu.toldToIdle = false;
    long now = time.advance(previous != null ? cpu.endedNanos : clock.nanoTime());
    if (previous != null) {
      takeOff(self, previous, end, now);
    }
    drain(now);
    while (swap != null) {
      now = rendezvous(self, now);
      drain(now);
    }
    DispatchUnit next = stopping ? null : choose(self, now);
    cpu.tickled = false;
    release();
    self.kickTickled();
    return next;
  }

  /**
   * In the middle of a slice: tells the scheduler the news, and says whether the unit may go on.
   */
  boolean attend(PcpuThread self) {
    Pcpu cpu = self.cpu;
    acquire();
    cpu.hearAll();
    time.steal(self.meter.takeStolen());
    drain(time.advance(cpu.endedNanos));
    boolean goOn = !cpu.tickled && swap == null && !stopping;
    release();
    self.kickTickled();
    return goOn;
  }

  /** The pCPU goes home: takes off what ran last. */
  void retire(PcpuThread self, DispatchUnit previous, SliceEnd end) {
    acquire();
    if (previous != null) {
      takeOff(self, previous, end, time.advance(self.cpu.endedNanos));
    }
    release();
    self.kickTickled();
  }

  private void takeOff(PcpuThread self, DispatchUnit unit, SliceEnd end, long now) {
    Pcpu cpu = self.cpu;
    time.steal(self.meter.takeStolen());
    long ran = self.meter.ranNanos();
    boolean slept = end == SliceEnd.BLOCKED || end == SliceEnd.OFFLINE || !unit.wantsCpu();
    PutReason reason =
        slept
            ? PutReason.SLEPT
            : switch (end) {
              case EXPIRED -> PutReason.EXPIRED;
              case YIELDED -> PutReason.YIELDED;
              default -> PutReason.PREEMPTED;
            };
    traceOff(unit, reason, ran, cpu.endedNanos);
    comeOff(cpu, unit, ran, !slept, now);
    Throwable thrown = call.put(lock, scheduler, unit, cpu, reason, ran, time.at(now));
    if (thrown != null) {
      threw(thrown, now);
    }
    reconcile(unit, now); // it may have been woken, adjusted or removed meanwhile
  }

  private void comeOff(Pcpu cpu, DispatchUnit unit, long ran, boolean stillRunnable, long now) {
    running--;
    cpu.current = null;
    deliveredNanos += Math.min(ran, cpu.sliceNanos);
    if (!stillRunnable) {
      runnableUnits--;
    }
    unit.runnable = stillRunnable;
    unit.runstate.leaveCpu(unit.waitingState(), now, ran);
    beginsToWait(unit, now);
    unit.offCpu();
  }

  private void traceOff(DispatchUnit unit, PutReason reason, long ran, long at) {
    if (unit.isTraced()) {
      unit.traceOff(tracer, reason, ran, at);
    }
  }

  private void beginsToWait(DispatchUnit unit, long now) {
    unit.queuedAtNanos = now;
    forgiveWait(unit);
  }

  /** The time that a unit has waited counts from now. */
  void forgiveWait(DispatchUnit unit) {
    unit.waitingSinceDelivered = deliveredNanos;
    unit.idleTicks = 0;
  }

  private DispatchUnit choose(PcpuThread self, long now) {
    Pcpu cpu = self.cpu;
    askLoad(now); // before it picks: if this fails, another picks
    Decision decision = self.decision;
    decision.reset();
    long began = tracer.beforePick();
    Throwable thrown = call.pick(lock, scheduler, cpu, time.at(now));
    String wrong = thrown == null ? PickRules.wrongWith(decision, cpu) : null;
    if (thrown != null || wrong != null) {
      if (thrown != null) {
        threw(thrown, now);
      } else {
        fault(SchedulerFault.Kind.ILLEGAL_PICK, wrong, null, now);
      }
      decision.reset();
      scheduler.pick(cpu.index, now, decision); // the built-in one, by now
    }
    waiting = runnableUnits - running;
    if (decision.isIdle()) {
      cpu.idleUntilNanos = time.toWall(decision.idleUntilNanos());
      cpu.toldToIdle = true;
      tracer.pickIdle(began);
      return null;
    }
    DispatchUnit unit = (DispatchUnit) decision.unit();
    running++;
    waiting = runnableUnits - running;
    unit.on = cpu;
    tracer.pick(began, unit.domid(), unit.vcpu(), decision.sliceNanos());
    tracer.migrate(unit.domid(), unit.vcpu(), unit.lastNumber, cpu.number);
    unit.lastPcpu = cpu.index;
    unit.lastNumber = cpu.number;
    unit.runstate.enter(RunstateInfo.RUNNING, now);
    cpu.begin(self, unit, now, decision.sliceNanos());
    return unit;
  }

  // ------------------------------------------------------------------ telling the scheduler

  private void drain(long now) {
    for (; ; ) {
      DispatchUnit unit = draining;
      if (unit == null) {
        unit = mailbox.takeAll();
        if (unit == null) {
          return;
        }
      }
      draining = unit.nextDirty;
      unit.markClean();
      reconcile(unit, now);
    }
  }

  /** Brings the scheduler's knowledge of one unit up to date. */
  private void reconcile(DispatchUnit unit, long now) {
    if (unit.seat != this || unit.isPart()) {
      unit.markDirty(); // it has moved since it was put into the mailbox
      return;
    }
    if (unit.on != null) {
      return; // its pCPU is on the way here
    }
    unit.regroup(now);
    if (unit.removing) {
      forget(unit, now);
      return;
    }
    Seat elsewhere = unit.destination();
    if (elsewhere != this) {
      moveTo(elsewhere, unit, now);
      return;
    }
    boolean adjusted = unit.applyParams();
    if (!unit.inserted) {
      unit.inserted = true;
      unit.applyParams(cpus.numbers());
      units.add(unit);
      population = units.size();
      tell(Verb.INSERT, unit, now);
    } else if (adjusted) {
      tell(Verb.ADJUST, unit, now);
    }
    setRunnable(unit, unit.wantsCpu(), now);
  }

  private void setRunnable(DispatchUnit unit, boolean wants, long now) {
    unit.enterWaitingState(now);
    if (wants == unit.runnable) {
      return;
    }
    unit.runnable = wants;
    runnableUnits += wants ? 1 : -1;
    if (wants) {
      beginsToWait(unit, now);
      tracer.enqueue(unit.domid(), unit.vcpu());
    } else if (unit.isTraced() && !unit.wantsCpu()) { // and not on its way to another run queue
      tracer.block(unit.domid(), unit.vcpu(), unit.sleepingState(), now);
    }
    tell(wants ? Verb.WAKE : Verb.SLEEP, unit, now);
  }

  private void forget(DispatchUnit unit, long now) {
    if (unit.removing) {
      unit.endMove();
    }
    if (unit.inserted) {
      setRunnable(unit, false, now);
      unit.inserted = false;
      units.remove(unit);
      population = units.size();
      tell(Verb.REMOVE, unit, now);
      unit.clearSlots();
    }
  }

  /** Sends a unit that does not run to another run queue, perhaps of another pool. */
  private void moveTo(Seat target, DispatchUnit unit, long now) {
    if (unit.inserted) {
      setRunnable(unit, false, now);
      unit.clearStanding();
      tell(Verb.EXPORT, unit, now);
      forget(unit, now);
    }
    unit.settle(target);
  }

  // ------------------------------------------------------------------ the balance of run queues

  private void askLoad(long now) {
    if (pool.balancer().isNeeded()) {
      Throwable thrown = call.askLoad(lock, scheduler, time.at(now));
      if (thrown != null) {
        threw(thrown, now);
      } else {
        load = call.load();
      }
    }
  }

  /**
   * Asks for a waiting unit on behalf of another run queue, and sends it there.
   *
   * @return false if it has none to give, or somebody else is here at the moment
   */
  boolean giveTo(Seat taker, PcpuThread self) {
    PoolLock l = lock;
    for (int tries = 0; !l.tryAcquire(); tries++) {
      if (tries == TRIES) {
        return false;
      }
      Thread.onSpinWait();
    }
    boolean given = false;
    if (l == lock && swap == null && !stopping) {
      long now = time.advance(clock.nanoTime());
      drain(now);
      given = offerTo(taker, now);
    }
    l.release();
    self.kickTickled();
    return given;
  }

  private boolean offerTo(Seat taker, long now) {
    Throwable thrown = call.askOffer(lock, scheduler, taker, time.at(now));
    if (thrown != null) {
      threw(thrown, now);
      return false;
    }
    SchedUnit offered = call.offered();
    if (offered == null) {
      return false;
    }
    if (!(offered instanceof DispatchUnit unit)
        || unit.seat != this
        || !unit.inserted
        || unit.on != null
        || !unit.runnable
        || !taker.allows(unit)) {
      fault(
          SchedulerFault.Kind.ILLEGAL_PICK,
          "offered %s, which does not wait here or may not run there".formatted(offered.label()),
          null,
          now);
      return false;
    }
    moveTo(taker, unit, now);
    waiting = runnableUnits - running;
    askLoad(now);
    return true;
  }

  private void tell(Verb verb, DispatchUnit unit, long now) {
    Throwable thrown = call.tell(lock, scheduler, verb, unit, time.at(now));
    if (thrown != null) {
      threw(thrown, now); // and so the built-in one knows all units as they are now
    }
  }

  // ------------------------------------------------------------------ the swap

  /**
   * Asks for a swap and waits until it is over. Not on a pCPU thread.
   *
   * @param patienceNanos how long to wait for the pCPUs to come
   */
  void swap(Swap request, long patienceNanos) {
    acquire();
    if (stopping) {
      request.refuse("the pool is closed");
      request.release();
    } else {
      swap = request;
      boolean kicked = false;
      for (Pcpu cpu : cpus.all()) {
        if (cpu.current != null) {
          cpu.kick();
          kicked = true;
        }
      }
      if (!kicked) {
        cpus.all()[0].kick(); // all idle: any of them can do it
      }
    }
    release();
    if (!request.awaitOver(patienceNanos)) {
      acquire();
      cancelSwap(() -> "not all pCPUs stopped: " + cpus.running());
      release();
      request.awaitOver(Long.MAX_VALUE);
    }
  }

  /** Refuses the swap in progress, if there is one. With the lock. */
  void cancelSwap(Supplier<String> why) {
    Swap s = swap;
    if (s != null) {
      swap = null;
      s.refuse(why.get());
      s.release();
    }
  }

  /** A pCPU has stopped for the swap: the last one performs it, the others wait. */
  private long rendezvous(PcpuThread self, long now) {
    Swap s = swap;
    s.arrive(self.cpu, now);
    if (running == 0) {
      perform(s, now);
      swap = null;
      s.release();
    } else {
      release();
      self.kickTickled();
      s.awaitRelease();
      acquire();
    }
    long later = time.advance(clock.nanoTime());
    s.leave(self.cpu, later);
    return later;
  }

  private void perform(Swap s, long now) {
    List<DispatchUnit> all = pool.byWaiting(units);
    s.phase = Swap.Phase.EXPORTING;
    for (DispatchUnit unit : all) {
      unit.clearStanding();
      tell(Verb.EXPORT, unit, now);
    }
    s.phase = Swap.Phase.INSERTING;
    s.saveSlots(all);
    for (DispatchUnit unit : all) {
      Throwable thrown = call.tell(lock, s.incoming, Verb.INSERT, unit, time.at(now));
      if (thrown != null) {
        s.restoreSlots(all);
        String detail = call + " threw " + thrown;
        s.refuse(detail);
        report(s.factory, SchedulerFault.Kind.THREW, detail + ROLLED_BACK, thrown, now);
        return;
      }
    }
    s.succeed(scheduler, all);
    scheduler = s.incoming;
    factory = s.factory;
    all.forEach(this::forgiveWait); // it answers for what it does itself
    askAll();
  }

  // ------------------------------------------------------------------ faults

  private static final String TOOK_OVER = "; the built-in round-robin took over";
  private static final String ROLLED_BACK = "; the swap was rolled back";

  private void threw(Throwable thrown, long now) {
    fault(SchedulerFault.Kind.THREW, call + " threw " + thrown, thrown, now);
  }

  /** Puts the scheduler off the pool, for a reason. With the lock. */
  private void fault(SchedulerFault.Kind kind, String detail, Throwable thrownOrNull, long now) {
    SchedulerFactory culprit = factory;
    takeOver(now);
    report(culprit, kind, detail + TOOK_OVER, thrownOrNull, now); // who hears of it sees it done
  }

  private void report(
      SchedulerFactory culprit,
      SchedulerFault.Kind kind,
      String detail,
      Throwable thrownOrNull,
      long now) {
    Class<?> type = culprit.getClass();
    String module = type.getModule().isNamed() ? type.getModule().getName() + "/" : "";
    pool.dispatcher.report(
        new SchedulerFault(
            pool.name(),
            culprit.name(),
            module + type.getName(),
            kind,
            detail,
            Optional.ofNullable(thrownOrNull),
            now));
  }

  /** The built-in round-robin takes every unit as the kernel knows it. With the lock. */
  private void takeOver(long now) {
    LastResort successor = new LastResort(this);
    scheduler = successor;
    factory = LastResort.FACTORY;
    for (DispatchUnit unit : pool.byWaiting(units)) {
      unit.clearSlots();
      forgiveWait(unit);
      successor.insert(unit, now);
    }
    askAll();
  }

  /** Makes every pCPU decide anew. With the lock. */
  private void askAll() {
    for (Pcpu cpu : cpus.all()) {
      cpu.tickled = true;
      cpu.toldToIdle = false;
      cpu.kick();
    }
  }

  // ------------------------------------------------------------------ the watchdog's

  /** A call has taken too long: takes the lock from its holder. False if it came back just now. */
  boolean giveUpOn(long callInProgress, long tookNanos) {
    PoolLock stuck = lock;
    Thread holder = stuck.owner();
    if (!stuck.abandon(callInProgress)) {
      return false;
    }
    lock = new PoolLock(Thread.currentThread());
    stuck.sendWaitersAway();
    long now = time.advance(clock.nanoTime());
    String detail = "%s has not returned for %d ms".formatted(call, tookNanos / 1_000_000);
    Pcpu cpu = ((PcpuThread) holder).cpu;
    DispatchUnit unit = cpu.current;
    if (unit != null && cpu.seat == this) { // it was attending to the mailbox in mid-slice
      long ran = ((PcpuThread) holder).meter.ranNanos();
      boolean stillRunnable = unit.wantsCpu();
      traceOff(unit, stillRunnable ? PutReason.PREEMPTED : PutReason.SLEPT, ran, now);
      comeOff(cpu, unit, ran, stillRunnable, now);
    }
    Swap s = swap;
    boolean inSwap = s != null && s.phase != Swap.Phase.GATHERING;
    boolean incomings = inSwap && s.phase == Swap.Phase.INSERTING;
    if (incomings) {
      s.restoreSlots(units);
      report(s.factory, SchedulerFault.Kind.OVERLONG_CALL, detail + ROLLED_BACK, null, now);
      askAll();
    } else {
      fault(SchedulerFault.Kind.OVERLONG_CALL, detail, null, now);
    }
    if (inSwap) {
      swap = null;
      s.refuse(detail);
      s.release();
      s.leave(cpu, now);
    }
    holder.interrupt(); // in case it waits for something
    cpu.start();
    release();
    for (DispatchUnit each : snapshot()) {
      each.markDirty(); // what the lost thread was about to tell
    }
    return true;
  }

  /** Looks for a unit that waits for too long. Does nothing if the lock is not free. */
  void checkStarvation(DispatchLimits limits) {
    PoolLock l = lock; // only the watchdog, which calls this, ever replaces it
    if (!l.tryAcquire()) {
      return;
    }
    DispatchUnit starving = Watchdog.findStarving(units, cpus.all(), deliveredNanos, limits);
    if (starving != null) {
      long others = (deliveredNanos - starving.waitingSinceDelivered) / 1_000_000;
      fault(
          SchedulerFault.Kind.STARVATION,
          starving + " is runnable and was not picked while others ran for " + others + " ms",
          null,
          time.advance(clock.nanoTime()));
    }
    l.release();
  }
}
