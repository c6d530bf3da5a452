package dev.domus.sched.simulator.engine;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.simulator.engine.SchedulerFaultException.Kind;
import dev.domus.sched.simulator.engine.Vcpu.Wish;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * A pool in virtual time: a discrete-event simulation of what the kernel's dispatcher does with one
 * scheduler.
 *
 * <h2>What is simulated</h2>
 *
 * <p>pCPUs, run queues, the mailbox by which a scheduler hears of wake-ups, kicks, slices, the
 * balance of run queues, and the checks on what a scheduler answers are the kernel's, rule by rule
 * ({@code dev.domus.kernel.dispatch}: Seat, Pcpu, PcpuSet, Balancer, Watchdog). There is no host
 * that steals time and no lock to wait for. What the machine itself takes is in {@link Costs}.
 *
 * <h2>Events</h2>
 *
 * <p>Each pCPU has one event ahead: the end of its slice or of its vCPU's work, whichever is first,
 * or the time at which it has been kicked, or until which it idles. Each vCPU has one timer. One
 * more is the look for starvation. They are sources of an {@link EventQueue}; taking one, and all
 * that follows from it, allocates nothing. What programs do in zero time (release a lock, be woken
 * by another) happens within the event.
 *
 * <h2>Determinism</h2>
 *
 * <p>All is in one thread, and depends on the programs and the scheduler alone: the same input
 * gives the same history, nanosecond for nanosecond. {@link HostClock} measures and influences
 * nothing.
 *
 * <h2>Faults</h2>
 *
 * <p>A scheduler that throws, picks what it must not, or forgets a vCPU ends the simulation by a
 * {@link SchedulerFaultException}; where time stands still because its decisions provoke each
 * other, that is found too. A call that never returns can only be seen from another thread, by
 * {@link HostClock#calls}.
 *
 * <p>Not thread-safe.
 */
public final class Simulation {
  /** A decision takes some time, so nobody who idles is asked more often than this. */
  private static final long SHORTEST_IDLE_NANOS = 1_000;

  /** How often run queues are compared, as in the kernel. */
  private static final long BALANCE_NANOS = 10_000_000;

  /** Decisions at one moment that each pCPU may need while others tickle it for good reasons. */
  private static final int DECISIONS_AT_ONCE = 100;

  private final Costs costs;
  private final RunRecorder recorder;
  private final HostClock host;
  private final SchedulerFactory factory;
  private final SchedParameters values;
  private final int pcpus;
  private final Pcpu[] cpus;
  private final Seat[] seats;
  private final List<Vcpu> vcpus = new ArrayList<>();
  private final List<Measures> measures = new ArrayList<>();
  private final Decision decision = new Decision();
  private final DecisionLog log = new DecisionLog();

  private EventQueue events;
  private int idleCpus;
  private long nowNanos;
  private long measuredFromNanos;
  private long stillSinceNanos = -1;
  private long decisionsAtOnce;
  private long decisions;
  private long handled;

  /** The pCPU whose event is being handled, or null while it is a timer's. */
  private Pcpu active;

  /**
   * An empty pool.
   *
   * @param pcpus how many pCPUs it has, at least 1
   * @param values checked parameters of the scheduler
   * @param recorder hears what happens
   * @param host measures what the host pays; another thread may watch it for a call that does not
   *     return
   * @throws SchedulerFaultException if the scheduler does not start with them
   */
  public Simulation(
      int pcpus,
      Costs costs,
      SchedulerFactory factory,
      SchedParameters values,
      RunRecorder recorder,
      HostClock host) {
    this.pcpus = pcpus;
    this.costs = costs;
    this.factory = factory;
    this.values = values;
    this.recorder = recorder;
    this.host = host;
    this.cpus = new Pcpu[pcpus];
    this.seats = seatsOf();
    for (Seat seat : seats) {
      for (Pcpu cpu : seat.cpus) {
        cpus[cpu.number] = cpu;
      }
    }
  }

  private Seat[] seatsOf() {
    Map<Integer, List<Integer>> queues = new LinkedHashMap<>();
    Object shared;
    host.enter();
    try {
      shared = factory.createShared(values);
      for (int pcpu = 0; pcpu < pcpus; pcpu++) {
        int queue = factory.runQueueOf(pcpu, pcpus, values);
        queues.computeIfAbsent(queue, key -> new ArrayList<>()).add(pcpu);
      }
    } catch (IllegalArgumentException refusal) {
      throw new SchedulerFaultException(Kind.REFUSED, refusal.getMessage(), refusal);
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw new SchedulerFaultException(Kind.THREW, "its factory threw " + thrown, thrown);
    }
    host.leave(host.rest());
    Collection<List<Integer>> divisions = queues.values();
    return divisions.stream()
        .map(queue -> {
          int[] numbers = queue.stream().mapToInt(Integer::intValue).toArray();
          Seat seat = new Seat(this, host, numbers, shared);
          seat.create(factory, values);
          return seat;
        })
        .toArray(Seat[]::new);
  }

  /**
   * Adds a vCPU, before {@link #run}.
   *
   * @param into where it is counted; several may share one
   * @param programOf makes what it does
   */
  public Vcpu add(
      int domid,
      int vcpu,
      VcpuSettings settings,
      Measures into,
      Function<Vcpu, Program> programOf) {
    Vcpu added = new Vcpu(this, domid, vcpu, settings, into, pcpus + vcpus.size());
    added.program = programOf.apply(added);
    vcpus.add(added);
    if (measures.isEmpty() || measures.getLast() != into) {
      measures.add(into);
    }
    return added;
  }

  // ------------------------------------------------------------------ results

  /** All vCPUs, in the order in which they were added. */
  public List<Vcpu> vcpus() {
    return Collections.unmodifiableList(vcpus);
  }

  /** Virtual time. */
  public long nowNanos() {
    return nowNanos;
  }

  /** How long has been measured. */
  public long measuredNanos() {
    return nowNanos - measuredFromNanos;
  }

  /** How often the scheduler was asked since measuring began. */
  public long decisions() {
    return decisions;
  }

  /** Events that were handled since the beginning. */
  public long handledEvents() {
    return handled;
  }

  /** pCPU time that went into switches since measuring began. */
  public long overheadNanos() {
    long sum = 0;
    for (Pcpu cpu : cpus) {
      sum += cpu.overheadNanos;
    }
    return sum;
  }

  /** The last decisions, a line each, the latest last. */
  public List<String> lastDecisions() {
    return log.lines();
  }

  // ------------------------------------------------------------------ time

  /**
   * Runs it from beginning to end. Once.
   *
   * @param warmupNanos how long nothing is measured
   * @param measuredNanos for how long it is measured then
   * @throws SchedulerFaultException if the scheduler does what it must not; what was measured until
   *     then can be read
   */
  public void run(long warmupNanos, long measuredNanos) {
    events = new EventQueue(pcpus + vcpus.size() + 1);
    int watch = pcpus + vcpus.size();
    placeAll();
    events.set(watch, Starvation.TICK_NANOS);
    for (Pcpu cpu : cpus) {
      events.set(cpu.number, 0); // it looks for work; there is none before the vCPUs are known
    }
    for (Vcpu vcpu : vcpus) {
      vcpu.program.start(0);
    }
    runUntil(warmupNanos, watch);
    beginMeasuring();
    runUntil(warmupNanos + measuredNanos, watch);
    for (Vcpu vcpu : vcpus) {
      vcpu.program.end(nowNanos);
    }
    for (Seat seat : seats) {
      seat.close();
    }
  }

  private void beginMeasuring() {
    measuredFromNanos = nowNanos;
    decisions = 0;
    host.reset();
    measures.forEach(Measures::reset);
    vcpus.forEach(Vcpu::beginMeasuring);
    for (Pcpu cpu : cpus) {
      cpu.overheadNanos = 0;
    }
  }

  private void runUntil(long end, int watch) {
    while (!events.isEmpty() && events.nextNanos() <= end) {
      nowNanos = events.nextNanos();
      int source = events.poll();
      handled++;
      if (source < pcpus) {
        active = cpus[source];
        hear(active);
        active = null;
      } else if (source < watch) {
        vcpus.get(source - pcpus).program.timer(nowNanos);
      } else {
        lookForStarvation();
        events.set(watch, nowNanos + Starvation.TICK_NANOS);
      }
    }
    nowNanos = end;
  }

  private void lookForStarvation() {
    Vcpu starving = Starvation.find(vcpus, seats);
    if (starving != null) {
      long others = (starving.seat.deliveredNanos - starving.waitingSinceDelivered) / 1_000_000;
      throw new SchedulerFaultException(
          Kind.STARVATION,
          starving + " is runnable and was not picked while others ran for " + others + " ms",
          null);
    }
  }

  // ------------------------------------------------------------------ what programs do

  void setTimer(Vcpu vcpu, long at) {
    events.set(vcpu.timerSource, Math.max(at, nowNanos));
  }

  void wake(Vcpu vcpu) {
    vcpu.wokenNanos = nowNanos;
    recorder.wake(vcpu, nowNanos);
    post(vcpu);
  }

  void computeInstead(Vcpu vcpu, long nanos) {
    Pcpu cpu = vcpu.on;
    if (cpu == null) {
      vcpu.workNanos = nanos;
      return;
    }
    cpu.charge(nowNanos);
    vcpu.workNanos = nanos;
    if (cpu != active) {
      expectEnd(cpu);
    }
  }

  // ------------------------------------------------------------------ mailboxes and kicks

  /** Puts a vCPU into its run queue's mailbox and sees to it that a pCPU looks there. */
  private void post(Vcpu vcpu) {
    Seat seat = vcpu.seat;
    if (vcpu.inMail || !seat.push(vcpu)) {
      return; // somebody has been kicked, and takes all
    }
    kickOne(seat, vcpu.lastNumber);
    if (seats.length > 1 && idleCpus > 0) {
      for (Seat other : seats) {
        if (other != seat && other.idleCpus > 0 && wakeAnIdleOne(other, vcpu)) {
          return;
        }
      }
    }
  }

  private void kickOne(Seat seat, int preferredNumber) {
    Pcpu preferred =
        preferredNumber >= 0 && cpus[preferredNumber].seat == seat
            ? cpus[preferredNumber]
            : seat.cpus[0];
    if (preferred.idle) {
      kick(preferred);
    } else if (seat.idleCpus == 0 || !wakeAnIdleOne(seat, null)) {
      kick(active != null && active.seat == seat ? active : preferred);
    }
  }

  /** Wakes an idle pCPU of a run queue, where a vCPU may run if it is not null. */
  private boolean wakeAnIdleOne(Seat seat, Vcpu forVcpu) {
    for (Pcpu cpu : seat.cpus) {
      if (cpu.idle && (forVcpu == null || forVcpu.settings().affinity().contains(cpu.number))) {
        kick(cpu);
        return true;
      }
    }
    return false;
  }

  /** Makes a pCPU look into the mailbox, and decide anew if it was tickled. */
  void kick(Pcpu cpu) {
    if (cpu.attentionNanos == Long.MAX_VALUE) {
      cpu.attentionNanos = nowNanos + costs.interruptNanos();
      if (cpu != active && cpu.attentionNanos < events.nanosOf(cpu.number)) {
        events.set(cpu.number, cpu.attentionNanos);
      }
    }
    setIdle(cpu, false);
  }

  private void setIdle(Pcpu cpu, boolean idle) {
    if (cpu.idle != idle) {
      cpu.idle = idle;
      cpu.seat.idleCpus += idle ? 1 : -1;
      idleCpus += idle ? 1 : -1;
    }
  }

  // ------------------------------------------------------------------ what a pCPU does

  /** A pCPU's time has come. */
  private void hear(Pcpu cpu) {
    setIdle(cpu, false);
    Vcpu vcpu = cpu.current;
    if (vcpu == null) {
      reschedule(cpu);
      return;
    }
    cpu.charge(nowNanos);
    PutReason end = endOf(cpu, vcpu);
    if (end == null) {
      expectEnd(cpu);
      return;
    }
    takeOff(cpu, vcpu, end);
    if (seats.length > 1 && nowNanos - cpu.seat.balancedNanos >= BALANCE_NANOS) {
      even(cpu.seat);
    }
    reschedule(cpu);
  }

  /** Why a vCPU comes off its pCPU now, or null if it goes on. */
  private PutReason endOf(Pcpu cpu, Vcpu vcpu) {
    if (vcpu.workNanos <= 0) {
      vcpu.program.done(nowNanos);
      if (vcpu.wish == Wish.BLOCK) {
        return PutReason.SLEPT;
      }
      if (vcpu.wish == Wish.YIELD) {
        vcpu.wish = Wish.COMPUTE;
        return PutReason.YIELDED;
      }
    }
    if (cpu.isSpent()) {
      return PutReason.EXPIRED;
    }
    return nowNanos >= cpu.attentionNanos && !attend(cpu) ? PutReason.PREEMPTED : null;
  }

  /** In the middle of a slice: tells the scheduler the news, and says whether the vCPU goes on. */
  private boolean attend(Pcpu cpu) {
    cpu.attentionNanos = Long.MAX_VALUE;
    drain(cpu.seat, cpu);
    return !cpu.tickled;
  }

  private void takeOff(Pcpu cpu, Vcpu vcpu, PutReason reason) {
    Seat seat = cpu.seat;
    long ran = cpu.ranNanos(nowNanos);
    cpu.comeOff();
    seat.runningVcpus--;
    seat.deliveredNanos += Math.min(ran, cpu.sliceNanos());
    vcpu.cameOff(ran);
    vcpu.runnable = reason != PutReason.SLEPT;
    if (!vcpu.runnable) {
      seat.runnableVcpus--;
    }
    beginsToWait(vcpu);
    if (reason == PutReason.PREEMPTED) {
      vcpu.measures.preempted();
    }
    recorder.off(vcpu, reason, ran, nowNanos);
    seat.put(vcpu, cpu, reason, ran, nowNanos);
  }

  private void beginsToWait(Vcpu vcpu) {
    vcpu.waitingSinceNanos = nowNanos;
    vcpu.forgiveWait();
  }

  private void reschedule(Pcpu cpu) {
    do {
      cpu.attentionNanos = Long.MAX_VALUE;
      cpu.toldToIdle = false;
      drain(cpu.seat, cpu);
      choose(cpu);
      cpu.tickled = false;
    } while (cpu.current == null && (fetch(cpu.seat) || !cpu.seat.mailEmpty()));
    if (cpu.current != null) {
      expectEnd(cpu);
    } else {
      idle(cpu);
    }
  }

  private void idle(Pcpu cpu) {
    setIdle(cpu, true);
    long until = cpu.idleUntilNanos;
    if (until == Long.MAX_VALUE && cpu.attentionNanos == Long.MAX_VALUE) {
      events.cancel(cpu.number);
    } else {
      long asked = Math.max(until, nowNanos + SHORTEST_IDLE_NANOS);
      events.set(cpu.number, Math.min(asked, cpu.attentionNanos));
    }
  }

  private void expectEnd(Pcpu cpu) {
    events.set(cpu.number, Math.min(cpu.endNanos(), cpu.attentionNanos));
  }

  // ------------------------------------------------------------------ the decision

  private void choose(Pcpu cpu) {
    noteDecision(cpu);
    if (seats.length > 1) {
      cpu.seat.askLoad(nowNanos);
    }
    decision.reset();
    cpu.seat.pick(cpu, nowNanos, decision);
    String wrong = PickRules.wrongWith(decision, cpu);
    if (wrong != null) {
      throw new SchedulerFaultException(Kind.ILLEGAL_PICK, wrong, null);
    }
    if (decision.isIdle()) {
      cpu.idleUntilNanos = decision.idleUntilNanos();
      cpu.toldToIdle = true;
      log.idle(nowNanos, cpu.number);
    } else {
      begin(cpu, (Vcpu) decision.unit(), decision.sliceNanos());
    }
  }

  private void begin(Pcpu cpu, Vcpu vcpu, long slice) {
    boolean switched = cpu.last != vcpu;
    boolean migrated = vcpu.lastNumber >= 0 && vcpu.lastNumber != cpu.number;
    long overhead = switched ? costs.switchNanos() : 0;
    if (migrated) {
      vcpu.workNanos += costs.migrationNanos();
    }
    long from = nowNanos + overhead;
    cpu.overheadNanos += overhead;
    cpu.seat.runningVcpus++;
    vcpu.measures.picked(switched, migrated, nowNanos - vcpu.waitingSinceNanos);
    if (vcpu.wokenNanos >= 0) {
      vcpu.measures.wokeUp(from - vcpu.wokenNanos);
      vcpu.wokenNanos = -1;
    }
    vcpu.startedOn(cpu);
    cpu.begin(vcpu, slice, from);
    recorder.run(vcpu, cpu.number, nowNanos);
    log.run(nowNanos, cpu.number, vcpu, slice);
  }

  private void noteDecision(Pcpu cpu) {
    decisions++;
    if (stillSinceNanos != nowNanos) {
      stillSinceNanos = nowNanos;
      decisionsAtOnce = 0;
    } else if (++decisionsAtOnce > (long) DECISIONS_AT_ONCE * (pcpus + 10)) {
      throw new SchedulerFaultException(
          Kind.LIVELOCK,
          "%d decisions at %d ns, the last for pcpu=%d: pCPUs tickle each other without end"
              .formatted(decisionsAtOnce, nowNanos, cpu.number),
          null);
    }
  }

  // ------------------------------------------------------------------ telling the scheduler

  private void drain(Seat seat, Pcpu by) {
    while (!seat.mailEmpty()) {
      reconcile(seat.pop(), seat, by);
    }
  }

  /** Brings the scheduler's knowledge of one vCPU up to date. */
  private void reconcile(Vcpu vcpu, Seat seat, Pcpu by) {
    if (!vcpu.inserted) {
      vcpu.inserted = true;
      seat.tell(Seat.Verb.INSERT, vcpu, by, nowNanos);
    }
    if (vcpu.wantsCpu() && !vcpu.runnable) {
      vcpu.runnable = true;
      seat.runnableVcpus++;
      beginsToWait(vcpu);
      seat.tell(Seat.Verb.WAKE, vcpu, by, nowNanos);
    }
  }

  // ------------------------------------------------------------------ run queues

  /** Gives each vCPU to the run queue with most room, as the kernel does, and tells of it. */
  private void placeAll() {
    for (Vcpu vcpu : vcpus) {
      Seat roomiest = null;
      for (Seat seat : seats) {
        if ((roomiest == null
                || (long) seat.population * roomiest.cpus.length
                    < (long) roomiest.population * seat.cpus.length)
            && (seats.length == 1 || seat.allows(vcpu))) {
          roomiest = seat;
        }
      }
      vcpu.settle(roomiest);
      roomiest.population++;
      vcpu.inserted = true;
      roomiest.tell(Seat.Verb.INSERT, vcpu, null, 0);
    }
  }

  /** A pCPU of a run queue idles: looks for work elsewhere; true if some has come. */
  private boolean fetch(Seat mine) {
    if (seats.length == 1) {
      return false;
    }
    int first = indexOf(mine);
    for (int i = 1; i < seats.length; i++) {
      Seat giver = seats[(first + i) % seats.length];
      if (giver.hasWaiting() && give(giver, mine)) {
        return true;
      }
    }
    return false;
  }

  /** Asks the run queue with the greatest load for something, if that is not this one. */
  private void even(Seat mine) {
    mine.balancedNanos = nowNanos;
    Seat heaviest = mine;
    for (Seat seat : seats) {
      if (seat.hasWaiting() && seat.load() > heaviest.load()) {
        heaviest = seat;
      }
    }
    if (heaviest != mine) {
      give(heaviest, mine);
    }
    if (mine.hasWaiting() && idleCpus > 0) {
      for (Seat seat : seats) {
        if (seat != mine && seat.idleCpus > 0 && wakeAnIdleOne(seat, null)) {
          return;
        }
      }
    }
  }

  private boolean give(Seat giver, Seat taker) {
    drain(giver, null);
    SchedUnit offered = giver.offer(taker, nowNanos);
    if (offered == null) {
      return false;
    }
    String wrong = PickRules.wrongWith(offered, giver, taker);
    if (wrong != null) {
      throw new SchedulerFaultException(Kind.ILLEGAL_PICK, wrong, null);
    }
    Vcpu vcpu = (Vcpu) offered;
    vcpu.runnable = false;
    giver.runnableVcpus--;
    giver.tell(Seat.Verb.SLEEP, vcpu, null, nowNanos);
    vcpu.standingNanos(0);
    giver.tell(Seat.Verb.EXPORT, vcpu, null, nowNanos);
    vcpu.inserted = false;
    giver.population--;
    giver.tell(Seat.Verb.REMOVE, vcpu, null, nowNanos);
    vcpu.data(null);
    vcpu.mayWaitNanos = 0;
    giver.askLoad(nowNanos);
    vcpu.settle(taker);
    taker.population++;
    post(vcpu);
    return true;
  }

  private int indexOf(Seat seat) {
    for (int i = 0; i < seats.length; i++) {
      if (seats[i] == seat) {
        return i;
      }
    }
    throw new AssertionError("a seat of another pool");
  }
}
