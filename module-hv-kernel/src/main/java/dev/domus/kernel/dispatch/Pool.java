package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/**
 * A cpupool: some pCPUs, the units that run on them, and one kind of scheduler.
 *
 * <h2>Who does what</h2>
 *
 * <pre>
 *   any thread      wake, pause, resume, params, remove
 *        |            change the unit's own state (atomics), put the unit into its run queue's mailbox,
 *        |            kick one pCPU: an idle one, else one that runs something
 *        v
 *   Mailbox         units whose state has changed
 *        |
 *        v          at the top of each decision, and when kicked in mid-slice
 *   Pcpu threads -&gt; Seat (with its PoolLock) -&gt; Scheduler (plugin)
 *        |
 *        v          without any lock
 *   Runner.runSlice
 *
 *   Balancer        moves units between the run queues (Seats) of the pool, if it has several
 *   Watchdog        looks at each Seat from outside; takes it from a scheduler that hangs or starves
 * </pre>
 *
 * <p>So a thread that wakes a guest never waits for a lock and never runs plugin code, and a
 * scheduler that hangs can only hang pCPU threads of its own pool, which are replaced.
 *
 * <h2>Run queues</h2>
 *
 * <p>The scheduler's factory says into how many run queues the pCPUs are divided; mostly one. A
 * swap that keeps the division takes place in each seat, in place ({@link Swap}). Where the
 * division or the pCPUs change, the pool is <em>rebuilt</em>: its seats first get the built-in
 * round-robin by such a swap, which takes the standings from a scheduler that may misbehave, under
 * the watchdog's eyes; then their pCPUs go home, and new seats get the units. What follows the
 * first step runs no plugin code.
 *
 * <h2>Lock order</h2>
 *
 * <p>{@code changing} (one change of a pool at a time), a seat's lock, then a unit's or a swap's
 * monitor. {@code Runner} methods other than {@code preempt} are called without any lock; {@code
 * preempt} sometimes with a seat's, and must take none. Two seats' locks are never waited for
 * together.
 */
public final class Pool {
  final Dispatcher dispatcher;
  final PcpuClock clock;

  private volatile String name;
  private final Gangs gangs;
  private final long rendezvousNanos;
  private final Object changing = new Object();
  private volatile int[] numbers;
  private volatile SchedulerFactory wanted;
  private volatile SchedParameters values;
  private volatile Balancer balancer;
  private boolean closed;

  Pool(
      Dispatcher dispatcher,
      String name,
      int[] numbers,
      int granularity,
      SchedulerFactory factory,
      SchedParameters values,
      DispatchLimits limits) {
    this.dispatcher = dispatcher;
    this.name = name;
    this.clock = dispatcher.clock();
    this.gangs = new Gangs(this, granularity);
    this.rendezvousNanos = limits.rendezvousNanos();
    this.numbers = numbers;
    this.wanted = factory;
    this.values = values;
    this.balancer = new Balancer(seatsFor(factory, values, numbers));
  }

  private Seat[] seatsFor(SchedulerFactory factory, SchedParameters given, int[] pcpus) {
    Object shared = factory.createShared(given);
    List<Seat> seats = new ArrayList<>();
    for (int[] queue : division(factory, given, leaders(pcpus))) {
      Seat seat = new Seat(this, queue);
      seat.share(shared);
      seat.install(factory, factory.create(seat, given));
      seats.add(seat);
    }
    return seats.toArray(Seat[]::new);
  }

  /** Of pCPUs that make whole cores the first of each; all of them, if each is for itself. */
  private int[] leaders(int[] pcpus) {
    return Arrays.stream(pcpus).filter(pcpu -> pcpu % granularity() == 0).toArray();
  }

  int[] leaders() {
    return leaders(numbers);
  }

  Gangs gangs() {
    return gangs;
  }

  /** The numbers of the pCPUs of each run queue. */
  private static List<int[]> division(
      SchedulerFactory factory, SchedParameters given, int[] pcpus) {
    Map<Integer, List<Integer>> queues = new LinkedHashMap<>();
    for (int i = 0; i < pcpus.length; i++) {
      int queue = factory.runQueueOf(i, pcpus.length, given);
      queues.computeIfAbsent(queue, key -> new ArrayList<>()).add(pcpus[i]);
    }
    return queues.values().stream()
        .map(queue -> queue.stream().mapToInt(Integer::intValue).toArray())
        .toList();
  }

  void start() {
    for (Seat seat : seats()) {
      seat.cpus.start();
    }
  }

  Seat[] seats() {
    return balancer.seats();
  }

  Balancer balancer() {
    return balancer;
  }

  // ------------------------------------------------------------------ for the kernel

  /** The pool's name. */
  public String name() {
    return name;
  }

  void rename(String newName) {
    name = newName;
  }

  /** How many pCPUs it has. */
  public int pcpus() {
    return numbers.length;
  }

  /**
   * How many pCPUs make a core: its unit of scheduling, which only ever runs vCPUs of one domain at
   * a time. 1 where each pCPU is for itself.
   */
  public int granularity() {
    return gangs.size();
  }

  /** The machine's numbers of its pCPUs, ascending. */
  public int[] numbers() {
    return numbers.clone();
  }

  /** The scheduler that runs the pool now: the built-in one, where it had to take over. */
  public SchedulerFactory scheduler() {
    for (Seat seat : seats()) {
      if (seat.factory() != wanted) {
        return seat.factory();
      }
    }
    return wanted;
  }

  /** The parameters that the scheduler was given. */
  public SchedParameters parameters() {
    return values;
  }

  /**
   * Adds a vCPU. It is offline until its first {@link DispatchUnit#wake}.
   *
   * @param domid the domain's id
   * @param vcpu the vCPU's number in its domain
   * @throws IllegalArgumentException if no pCPU of the pool is in the affinity
   */
  public DispatchUnit add(Runner runner, int domid, int vcpu, UnitParams params) {
    checkAffinity(params, domid, vcpu);
    synchronized (changing) {
      DispatchUnit unit =
          new DispatchUnit(roomiest(params), runner, domid, vcpu, params, clock.nanoTime());
      unit.settle(unit.seat);
      return unit;
    }
  }

  /**
   * Takes a vCPU out for ever, and returns when it is off its pCPU. Waits for no scheduler.
   *
   * @throws IllegalStateException on the pCPU thread that runs this very unit
   */
  public void remove(DispatchUnit unit) {
    unit.refuseOnOwnThread("removed");
    unit.removing = true;
    unit.leaveCpu();
    unit.awaitOffCpu();
  }

  /** The units that are in the pool now, in no particular order. */
  public List<DispatchUnit> snapshot() {
    List<DispatchUnit> units = new ArrayList<>();
    for (Seat seat : seats()) {
      units.addAll(seat.snapshot());
    }
    return units;
  }

  /**
   * Replaces the scheduler while the pool runs; see {@link Swap}. Returns when it is done, or
   * undone: whatever a scheduler does wrong is in the report. One at a time; others wait.
   *
   * @param factory the new scheduler; the present one, to change its parameters
   * @param given its checked parameters
   * @throws IllegalArgumentException if the scheduler cannot work with them
   * @throws IllegalStateException on a pCPU thread
   */
  public SwapReport swap(SchedulerFactory factory, SchedParameters given) {
    refuseOnPcpuThread("a swap");
    synchronized (changing) {
      Optional<Object> sharedInPlace;
      try {
        sharedInPlace =
            sameDivision(factory, given)
                ? Optional.of(factory.createShared(given))
                : Optional.empty();
      } catch (IllegalArgumentException e) {
        throw e;
      } catch (Exception | LinkageError | StackOverflowError e) { // a plugin that fails to start
        return SwapReport.refused(name, scheduler().name(), factory.name(), "it threw " + e);
      }
      SwapReport report =
          sharedInPlace.isPresent()
              ? swapInPlace(factory, given, sharedInPlace.get())
              : rebuild(factory, given, numbers);
      dispatcher.tracer().swap(report.swapped(), report.from(), report.to(), report.pauseNanos());
      return report;
    }
  }

  /** As {@link #swap(SchedulerFactory, SchedParameters)}, with parameters as users write them. */
  public SwapReport swap(SchedulerFactory factory, Map<String, String> given) {
    return swap(factory, SchedParameters.check(factory, given));
  }

  /** Runs something while nobody else changes the pool. */
  void whileUnchanged(Runnable action) {
    synchronized (changing) {
      action.run();
    }
  }

  /** Gives the pool other pCPUs, at least one. Its scheduler starts anew. */
  SwapReport resize(int[] newNumbers) {
    refuseOnPcpuThread("a change of pCPUs");
    synchronized (changing) {
      return rebuild(wanted, values, newNumbers);
    }
  }

  private static void refuseOnPcpuThread(String what) {
    if (Thread.currentThread() instanceof PcpuThread) {
      throw new IllegalStateException(what + " cannot be awaited by a pCPU thread");
    }
  }

  // ------------------------------------------------------------------ changes, one at a time

  private boolean sameDivision(SchedulerFactory factory, SchedParameters given) {
    Seat[] seats = seats();
    List<int[]> division = division(factory, given, leaders());
    boolean same = division.size() == seats.length;
    for (int i = 0; same && i < seats.length; i++) {
      same = Arrays.equals(division.get(i), seats[i].cpus.numbers());
    }
    return same;
  }

  /** Swaps the scheduler of each seat. If one refuses, those before it get the old kind again. */
  private SwapReport swapInPlace(SchedulerFactory factory, SchedParameters given, Object shared) {
    List<SwapReport> reports = new ArrayList<>();
    for (Seat seat : seats()) {
      SwapReport report;
      try {
        report = swapSeat(seat, factory, given, shared);
      } catch (IllegalArgumentException e) {
        putBack(Arrays.copyOf(seats(), reports.size()));
        throw e;
      }
      reports.add(report);
      if (!report.swapped()) {
        putBack(Arrays.copyOf(seats(), reports.size() - 1));
        return SwapReport.ofAll(reports);
      }
    }
    wanted = factory;
    values = given;
    return SwapReport.ofAll(reports);
  }

  private SwapReport swapSeat(
      Seat seat, SchedulerFactory factory, SchedParameters given, Object shared) {
    Scheduler incoming;
    String from = seat.factory().name();
    long now = clock.nanoTime();
    try {
      seat.share(shared);
      incoming = factory.create(seat, given);
    } catch (IllegalArgumentException e) {
      throw e;
    } catch (Exception | LinkageError | StackOverflowError e) { // a plugin that fails to start
      Swap refused = new Swap(from, factory, null, seat.pcpus(), now);
      refused.refuse("create() threw " + e);
      return refused.report(name);
    }
    Swap swap = new Swap(from, factory, incoming, seat.pcpus(), now);
    seat.swap(swap, rendezvousNanos);
    close(swap.outgoing().orElse(incoming));
    return swap.report(name);
  }

  /** New seats, because the pCPUs or their division change. */
  private SwapReport rebuild(SchedulerFactory factory, SchedParameters given, int[] newNumbers) {
    long started = clock.nanoTime();
    String from = scheduler().name();
    Seat[] old = seats();
    Seat[] fresh;
    try {
      fresh = seatsFor(factory, given, newNumbers);
    } catch (IllegalArgumentException e) {
      throw e;
    } catch (Exception | LinkageError | StackOverflowError e) { // a plugin that fails to start
      return SwapReport.refused(name, from, factory.name(), "create() threw " + e);
    }
    Optional<String> busy = setAside(old).or(() -> stop(old));
    if (busy.isPresent()) {
      putBack(old);
      for (Seat seat : fresh) {
        close(seat.deposed());
      }
      return SwapReport.refused(name, from, factory.name(), busy.get());
    }
    long stopped = clock.nanoTime();
    int[] before = numbers;
    SchedulerFactory factoryBefore = wanted;
    SchedParameters valuesBefore = values;
    numbers = newNumbers;
    wanted = factory;
    values = given;
    balancer = new Balancer(fresh);
    int units = 0;
    for (Seat seat : old) {
      units += seat.population();
      seat.disband(unit -> {
        unit.adaptToPool();
        unit.settle(roomiest(unit.params()));
      });
    }
    start();
    long over = clock.nanoTime();
    Optional<String> failure = firstDecisions(fresh);
    if (failure.isPresent() && Arrays.equals(before, newNumbers)) {
      rebuild(factoryBefore, valuesBefore, before);
      return SwapReport.refused(name, from, factory.name(), failure.get());
    }
    return new SwapReport(
        name,
        from,
        factory.name(),
        Optional.empty(),
        units,
        over - started,
        new long[] {over - stopped});
  }

  /** Has the built-in scheduler take the standings from one that may misbehave. */
  private Optional<String> setAside(Seat[] seats) {
    for (Seat seat : seats) {
      SwapReport aside =
          swapSeat(
              seat, LastResort.FACTORY, SchedParameters.none(), SchedulerFactory.NOTHING_SHARED);
      if (!aside.swapped()) {
        return aside.refusal();
      }
    }
    return Optional.empty();
  }

  /**
   * Has seats run again, with the pool's own scheduler if it can still be made; else with what they
   * have, which is another or the built-in one.
   */
  private void putBack(Seat[] seats) {
    for (Seat seat : seats) {
      seat.restart();
    }
    try {
      Object shared = wanted.createShared(values);
      for (Seat seat : seats) {
        if (seat.factory() != wanted) {
          swapSeat(seat, wanted, values, shared);
        }
      }
    } catch (Exception | LinkageError | StackOverflowError e) { // a plugin's
      System.getLogger(Pool.class.getName())
          .log(System.Logger.Level.WARNING, "pool " + name + ": " + wanted.name() + " is lost", e);
    }
  }

  /** Sends all pCPUs home; says what keeps one if it does not come in time. */
  private Optional<String> stop(Seat[] seats) {
    for (Seat seat : seats) {
      seat.stop("the pool is being rebuilt");
    }
    for (Seat seat : seats) {
      if (!seat.cpus.awaitGone(rendezvousNanos)) {
        return Optional.of("not all pCPUs stopped: " + seat.cpus.running());
      }
    }
    return Optional.empty();
  }

  /** Waits until all seats have told their new schedulers of all units; what went wrong there. */
  private Optional<String> firstDecisions(Seat[] seats) {
    for (Seat seat : seats) {
      while (!seat.isDrained()) {
        LockSupport.parkNanos(100_000); // a scheduler that hangs is the watchdog's, who ends this
      }
      if (seat.factory() != wanted) {
        return dispatcher.faults().reversed().stream()
            .filter(fault -> fault.pool().equals(name))
            .findFirst()
            .map(SchedulerFault::detail)
            .or(() -> Optional.of("it failed at once"));
      }
    }
    return Optional.empty();
  }

  private void close(Scheduler deposed) {
    try {
      deposed.close();
    } catch (Exception | LinkageError | StackOverflowError e) { // it has no say any more
      System.getLogger(Pool.class.getName())
          .log(System.Logger.Level.WARNING, "pool " + name + ": a deposed scheduler's close", e);
    }
  }

  // ------------------------------------------------------------------ for the dispatcher

  void checkAffinity(UnitParams params, int domid, int vcpu) {
    if (granularity() > 1) {
      gangs.checkAffinity(domid, vcpu, params.affinity());
    } else if (Arrays.stream(numbers).noneMatch(params.affinity()::contains)) {
      throw new IllegalArgumentException(
          "affinity has no pCPU of the pool: affinity=%s pool=%s pcpus=%s"
              .formatted(params.affinity(), name, Arrays.toString(numbers)));
    }
  }

  /** Where a unit of this pool, or one that is to come here, should be. */
  Seat seatFor(DispatchUnit unit) {
    UnitParams params = unit.params();
    Seat now = unit.seat;
    boolean stays = now.pool == this && now.cpus.overlaps(params.affinity()) && !now.stopping();
    return stays ? now : roomiest(params);
  }

  /** The run queue with the fewest units, of those that the affinity allows; or of all. */
  Seat roomiest(UnitParams params) {
    List<Seat> allowed = new ArrayList<>();
    for (Seat seat : seats()) {
      if (seat.cpus.overlaps(params.affinity())) {
        allowed.add(seat);
      }
    }
    return Collections.min(
        allowed.isEmpty() ? List.of(seats()) : allowed,
        Comparator.comparingDouble(seat -> (double) seat.population() / seat.pcpus()));
  }

  /** Units in the order in which they began to wait. */
  List<DispatchUnit> byWaiting(List<DispatchUnit> units) {
    List<DispatchUnit> order = new ArrayList<>(units);
    order.sort(Comparator.comparingLong(unit -> unit.queuedAtNanos));
    return order;
  }

  void wakeOneIdle() {
    for (Seat seat : seats()) {
      if (seat.cpus.wakeIdle(CpuMask.ALL)) {
        return;
      }
    }
  }

  /** Stops the pCPUs, guests or not, and waits for their threads. */
  void close() {
    synchronized (changing) {
      if (closed) {
        return;
      }
      closed = true;
      for (Seat seat : seats()) {
        seat.stop("the pool is closed");
      }
      for (Seat seat : seats()) {
        seat.cpus.awaitGone(Long.MAX_VALUE);
      }
    }
  }
}
