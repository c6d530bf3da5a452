package dev.domus.sched.contract;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * A pool in virtual time: calls a scheduler exactly as the kernel's dispatcher does, without
 * threads, and checks what the kernel would check. The same run with the same seeds gives the same
 * history, nanosecond for nanosecond.
 *
 * <p>Events (a unit's sleep is over, a pCPU's slice or burst is over, a pCPU idles no longer) are
 * taken in the order of time. After each, every pCPU that has nothing decided, or was tickled,
 * decides; switching costs nothing.
 */
public final class Simulator implements SchedPool {
  private record Event(long atNanos, long order, SimUnit sleeper, int pcpu, long decisionNumber) {}

  private final List<SimUnit> units = new ArrayList<>();
  private final PriorityQueue<Event> events =
      new PriorityQueue<>(Comparator.comparingLong(Event::atNanos).thenComparingLong(Event::order));
  private final Decision decision = new Decision();
  private final SimUnit[] running;
  private final long[] startedNanos;
  private final boolean[] tickled;
  private final boolean[] idle;

  /** Numbers the decisions of a pCPU, so that events of an earlier one are recognized. */
  private final long[] decisionNumber;

  /** Those whose pause ends when a unit has come off its pCPU, before that decides. */
  private final List<SimUnit> resumedAtPut = new ArrayList<>();

  private Object shared;
  private Scheduler scheduler;
  private long nowNanos;
  private long order;
  private long decisions;
  private long idleNanos;
  private boolean checksWorkConservation;

  /** A pool of pCPUs under a scheduler with its default parameters. */
  public Simulator(int pcpus, SchedulerFactory factory) {
    this(pcpus, factory, Map.of());
  }

  /**
   * A pool of pCPUs under a scheduler.
   *
   * @param parameters what is given for it, as on the command line
   * @throws IllegalArgumentException if the scheduler refuses them, or this pool
   */
  public Simulator(int pcpus, SchedulerFactory factory, Map<String, String> parameters) {
    running = new SimUnit[pcpus];
    startedNanos = new long[pcpus];
    tickled = new boolean[pcpus];
    idle = new boolean[pcpus];
    decisionNumber = new long[pcpus];
    scheduler = create(factory, parameters);
  }

  private Scheduler create(SchedulerFactory factory, Map<String, String> parameters) {
    SchedParameters values = SchedParameters.check(factory, parameters);
    shared = factory.createShared(values);
    return factory.create(this, values);
  }

  /** From now on it is a violation if a pCPU idles while a unit waits that may run there. */
  public Simulator checkingWorkConservation() {
    checksWorkConservation = true;
    return this;
  }

  // ------------------------------------------------------------------ units

  /** Adds a unit that may run anywhere and wakes up now. */
  public SimUnit add(int domid, int weight, Workload workload) {
    return add(domid, 0, weight, SchedUnit.NO_CAP, CpuMask.ALL, workload);
  }

  /** Adds a unit that wakes up now. */
  public SimUnit add(
      int domid, int vcpu, int weight, int cap, CpuMask affinity, Workload workload) {
    SimUnit unit = new SimUnit(() -> nowNanos, domid, vcpu, weight, cap, affinity, workload);
    units.add(unit);
    unit.inserted = true;
    unit.since(nowNanos);
    scheduler.insert(unit, nowNanos);
    events.add(new Event(nowNanos, order++, unit, -1, 0));
    return unit;
  }

  /** Takes a unit out. */
  public void remove(SimUnit unit) {
    unit.removed = true;
    bringUpToDate(unit);
    units.remove(unit);
    unit.inserted = false;
    scheduler.remove(unit, nowNanos);
    unit.clearSlots();
    settle();
  }

  /** Pauses a unit. */
  public void pause(SimUnit unit) {
    unit.paused = true;
    bringUpToDate(unit);
    settle();
  }

  /** Ends a pause. */
  public void resume(SimUnit unit) {
    unit.paused = false;
    bringUpToDate(unit);
    settle();
  }

  /**
   * Ends a pause at a moment that matters: when the next unit has come off its pCPU, before that
   * decides. So it is in the kernel when somebody is woken while a pCPU is on its way out.
   */
  public void resumeBetweenPutAndPick(SimUnit unit) {
    resumedAtPut.add(unit);
  }

  /** Gives a unit parameters of a scheduler's, whether that is the one here or not. */
  public void give(SimUnit unit, SchedulerFactory factory, Map<String, String> parameters) {
    SchedParameters before = unit.given.getOrDefault(factory.name(), SchedParameters.none());
    unit.given.put(
        factory.name(), SchedParameters.checkUnit(factory, parameters, before, List.of(factory)));
    adjust(unit, unit.weight, unit.cap, unit.affinity);
  }

  /** Says on which pCPUs a unit had better run. */
  public void prefer(SimUnit unit, CpuMask softAffinity) {
    unit.softAffinity = softAffinity;
    adjust(unit, unit.weight, unit.cap, unit.affinity);
  }

  /** Changes what the operator says about a unit. */
  public void adjust(SimUnit unit, int weight, int cap, CpuMask affinity) {
    if (unit.runningOn >= 0) {
      takeOff(unit.runningOn, PutReason.PREEMPTED);
    }
    unit.weight = weight;
    unit.cap = cap;
    unit.affinity = affinity;
    scheduler.adjust(unit, nowNanos);
    settle();
  }

  /** All units. */
  public List<SimUnit> units() {
    return units;
  }

  // ------------------------------------------------------------------ time

  /** Virtual time. */
  public long nowNanos() {
    return nowNanos;
  }

  /** How many times the scheduler was asked. */
  public long decisions() {
    return decisions;
  }

  /** How long pCPUs idled, all together. */
  public long idleNanos() {
    return idleNanos;
  }

  /** Lets time pass. */
  public void run(long nanos) {
    long end = nowNanos + nanos;
    settle();
    while (!events.isEmpty() && events.peek().atNanos() <= end) {
      Event event = events.poll();
      passTo(event.atNanos());
      handle(event);
      settle();
    }
    passTo(end);
  }

  /** CPU time that a unit had, up to this moment. */
  public long runNanos(SimUnit unit) {
    int on = unit.runningOn;
    return unit.runNanos + (on < 0 ? 0 : nowNanos - startedNanos[on]);
  }

  /** The longest that a unit has waited for a pCPU at a stretch, up to this moment. */
  public long longestWaitNanos(SimUnit unit) {
    boolean waits = unit.runnable && unit.runningOn < 0;
    return Math.max(unit.longestWaitNanos, waits ? nowNanos - unit.sinceNanos : 0);
  }

  /**
   * The longest that a unit has waited at a stretch, beyond what its scheduler says that its
   * operator wants ({@link SchedUnit#mayWaitNanos}), up to this moment.
   */
  public long longestNeglectNanos(SimUnit unit) {
    boolean waits = unit.runnable && unit.runningOn < 0;
    return Math.max(unit.longestNeglectNanos, waits ? unit.neglectNanos(nowNanos) : 0);
  }

  private void passTo(long atNanos) {
    for (SimUnit unit : running) {
      if (unit == null) {
        idleNanos += atNanos - nowNanos;
      }
    }
    nowNanos = atNanos;
  }

  private void handle(Event event) {
    if (event.sleeper() != null) {
      SimUnit unit = event.sleeper();
      unit.asleep = false;
      unit.burstLeftNanos = Math.max(1, unit.workload.nextBurstNanos());
      if (unit.inserted) {
        bringUpToDate(unit);
      }
    } else if (event.decisionNumber() == decisionNumber[event.pcpu()]) {
      int pcpu = event.pcpu();
      SimUnit unit = running[pcpu];
      if (unit == null) {
        idle[pcpu] = false; // it wanted to be asked again
      } else if (unit.burstLeftNanos <= nowNanos - startedNanos[pcpu]) {
        endBurst(pcpu, unit);
      } else {
        takeOff(pcpu, PutReason.EXPIRED);
      }
    }
  }

  private void endBurst(int pcpu, SimUnit unit) {
    long sleep = unit.workload.nextSleepNanos();
    if (sleep == 0) {
      takeOff(pcpu, PutReason.YIELDED);
      unit.burstLeftNanos = Math.max(1, unit.workload.nextBurstNanos());
    } else {
      unit.asleep = true;
      takeOff(pcpu, PutReason.SLEPT);
      events.add(new Event(nowNanos + sleep, order++, unit, -1, 0));
    }
  }

  // ------------------------------------------------------------------ what the dispatcher does

  private void bringUpToDate(SimUnit unit) {
    boolean wants = unit.wantsCpu();
    if (unit.runningOn >= 0) {
      if (!wants) {
        takeOff(unit.runningOn, PutReason.SLEPT);
      }
    } else if (wants != unit.runnable) {
      noteWait(unit);
      unit.runnable = wants;
      if (wants) {
        scheduler.wake(unit, nowNanos);
      } else {
        scheduler.sleep(unit, nowNanos);
      }
    }
  }

  private void takeOff(int pcpu, PutReason reason) {
    SimUnit unit = running[pcpu];
    long ran = nowNanos - startedNanos[pcpu];
    running[pcpu] = null;
    decisionNumber[pcpu]++;
    unit.runningOn = -1;
    unit.runNanos += ran;
    unit.burstLeftNanos -= ran;
    unit.runnable = reason != PutReason.SLEPT;
    unit.since(nowNanos);
    scheduler.put(unit, pcpu, reason, ran, nowNanos);
    for (SimUnit resumed : resumedAtPut) {
      resumed.paused = false;
      bringUpToDate(resumed);
    }
    resumedAtPut.clear();
  }

  /** Lets all pCPUs decide that have to. */
  private void settle() {
    boolean again = true;
    for (int rounds = 0; again; rounds++) {
      if (rounds > 1_000) {
        throw new ContractViolation("pCPUs tickle each other without end at " + nowNanos);
      }
      again = false;
      for (int pcpu = 0; pcpu < running.length; pcpu++) {
        if (tickled[pcpu] && running[pcpu] != null) {
          takeOff(pcpu, PutReason.PREEMPTED);
        }
        if (running[pcpu] == null && (tickled[pcpu] || !idle[pcpu])) {
          decide(pcpu);
          again = true;
        }
      }
    }
    if (checksWorkConservation) {
      checkWorkConservation();
    }
  }

  private void decide(int pcpu) {
    decisions++;
    decision.reset();
    scheduler.pick(pcpu, nowNanos, decision);
    tickled[pcpu] = false;
    check(decision, pcpu);
    decisionNumber[pcpu]++;
    idle[pcpu] = decision.isIdle();
    if (decision.isIdle()) {
      if (decision.idleUntilNanos() != Long.MAX_VALUE) {
        expect(pcpu, Math.max(decision.idleUntilNanos(), nowNanos + 1));
      }
      return;
    }
    SimUnit unit = (SimUnit) decision.unit();
    noteWait(unit);
    unit.picks++;
    unit.runningOn = pcpu;
    unit.lastPcpu = pcpu;
    running[pcpu] = unit;
    startedNanos[pcpu] = nowNanos;
    expect(pcpu, nowNanos + Math.min(decision.sliceNanos(), unit.burstLeftNanos));
  }

  private void expect(int pcpu, long atNanos) {
    events.add(new Event(atNanos, order++, null, pcpu, decisionNumber[pcpu]));
  }

  private void noteWait(SimUnit unit) {
    if (unit.runnable) {
      unit.longestWaitNanos = Math.max(unit.longestWaitNanos, nowNanos - unit.sinceNanos);
      unit.longestNeglectNanos = Math.max(unit.longestNeglectNanos, unit.neglectNanos(nowNanos));
    }
    unit.since(nowNanos);
  }

  private void check(Decision made, int pcpu) {
    if (!made.made()) {
      throw new ContractViolation("nothing was decided: pcpu=" + pcpu);
    }
    if (made.isIdle()) {
      return;
    }
    SimUnit unit = (SimUnit) made.unit();
    if (!unit.inserted || !unit.runnable || unit.runningOn >= 0) {
      throw new ContractViolation(
          "illegal pick: unit=%s pcpu=%d inserted=%b runnable=%b runningOn=%d"
              .formatted(unit, pcpu, unit.inserted, unit.runnable, unit.runningOn));
    }
    if (!unit.affinity.contains(pcpu)) {
      throw new ContractViolation(
          "affinity: unit=%s pcpu=%d affinity=%s".formatted(unit, pcpu, unit.affinity));
    }
    long slice = made.sliceNanos();
    if (slice < Decision.MIN_SLICE_NANOS || slice > Decision.MAX_SLICE_NANOS) {
      throw new ContractViolation("slice: unit=%s slice=%d".formatted(unit, slice));
    }
  }

  private void checkWorkConservation() {
    for (SimUnit unit : units) {
      if (unit.runnable && unit.runningOn < 0 && unit.cap == SchedUnit.NO_CAP) {
        for (int pcpu = 0; pcpu < running.length; pcpu++) {
          if (running[pcpu] == null && unit.affinity.contains(pcpu)) {
            throw new ContractViolation(
                "pcpu=%d idles while %s waits, at %d ns".formatted(pcpu, unit, nowNanos));
          }
        }
      }
    }
  }

  // ------------------------------------------------------------------ swap

  /** Swaps the scheduler in place, for one with its default parameters. */
  public void swap(SchedulerFactory factory) {
    swap(factory, Map.of());
  }

  /**
   * Swaps the scheduler in place, with the handover that the kernel makes.
   *
   * @throws IllegalArgumentException if the new one refuses; then nothing has changed
   */
  public void swap(SchedulerFactory factory, Map<String, String> parameters) {
    Scheduler incoming = create(factory, parameters);
    for (int pcpu = 0; pcpu < running.length; pcpu++) {
      if (running[pcpu] != null) {
        takeOff(pcpu, PutReason.PREEMPTED);
      }
      decisionNumber[pcpu]++;
      idle[pcpu] = false;
      tickled[pcpu] = false;
    }
    Scheduler outgoing = scheduler;
    for (SimUnit unit : units) {
      unit.standingNanos = 0;
      outgoing.export(unit, nowNanos);
    }
    units.forEach(SimUnit::clearSlots);
    scheduler = incoming;
    List<SimUnit> byWaiting = new ArrayList<>(units);
    byWaiting.sort(Comparator.comparingLong(unit -> unit.sinceNanos));
    for (SimUnit unit : byWaiting) {
      scheduler.insert(unit, nowNanos);
    }
    outgoing.close();
    settle();
  }

  // ------------------------------------------------------------------ what the scheduler sees

  @Override
  public String name() {
    return "simulated";
  }

  @Override
  public int pcpus() {
    return running.length;
  }

  @Override
  public Object shared() {
    return shared;
  }

  @Override
  public void tickle(int pcpu) {
    tickled[pcpu] = true;
  }
}
