package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * A cpupool: some pCPUs, the units that run on them, and one scheduler.
 *
 * <h2>Who does what</h2>
 *
 * <pre>
 *   any thread      wake, pause, resume, params, remove
 *        |            change the unit's own state (atomics), put the unit into the mailbox,
 *        |            kick one pCPU: an idle one, else one that runs something
 *        v
 *   Mailbox         units whose state has changed
 *        |
 *        v          at the top of each decision, and when kicked in mid-slice
 *   Pcpu threads -&gt; Seat (with the PoolLock) -&gt; Scheduler (plugin)
 *        |
 *        v          without any lock
 *   Runner.runSlice
 *
 *   Watchdog        looks at the Seat from outside; takes it from a scheduler that hangs or starves
 * </pre>
 *
 * <p>So a thread that wakes a guest never waits for a lock and never runs plugin code, and a
 * scheduler that hangs can only hang pCPU threads of its own pool, which are replaced.
 *
 * <h2>Lock order</h2>
 *
 * <p>The pool's lock, then a unit's or a swap's monitor. {@code Runner} methods other than {@code
 * preempt} are called without any lock; {@code preempt} sometimes with the pool's, and must take
 * none. Two pools' locks are never held together.
 */
public final class Pool {
  final Dispatcher dispatcher;
  final PcpuClock clock;
  final Mailbox mailbox = new Mailbox();
  final Seat seat;

  /** The units that the scheduler knows. Guarded by the pool's lock. */
  final List<DispatchUnit> units = new ArrayList<>();

  /** The watchdog's notes, for it alone. */
  final Watchdog.Suspicion suspicion = new Watchdog.Suspicion();

  private final String name;
  private final Pcpu[] cpus;
  private final long rendezvousNanos;
  private final Object swapping = new Object();
  private volatile boolean closed;

  Pool(
      Dispatcher dispatcher,
      String name,
      int pcpus,
      SchedulerFactory factory,
      SchedParameters values,
      DispatchLimits limits) {
    this.dispatcher = dispatcher;
    this.name = name;
    this.clock = dispatcher.clock();
    this.rendezvousNanos = limits.rendezvousNanos();
    this.cpus = new Pcpu[pcpus];
    for (int i = 0; i < pcpus; i++) {
      cpus[i] = new Pcpu(this, i);
    }
    this.seat = new Seat(this, cpus);
    seat.install(factory, factory.create(seat, values));
  }

  void start() {
    for (Pcpu cpu : cpus) {
      cpu.start(cpus.length);
    }
  }

  // ------------------------------------------------------------------ for the kernel

  /** The pool's name. */
  public String name() {
    return name;
  }

  /** How many pCPUs it has. */
  public int pcpus() {
    return cpus.length;
  }

  /** The scheduler that runs the pool now. */
  public SchedulerFactory scheduler() {
    return seat.factory();
  }

  /**
   * Adds a vCPU. It is offline until its first {@link DispatchUnit#wake}.
   *
   * @param domid the domain's id
   * @param vcpu the vCPU's number in its domain
   * @throws IllegalArgumentException if no pCPU of the pool is in the affinity
   */
  public DispatchUnit add(Runner runner, int domid, int vcpu, UnitParams params) {
    checkAffinity(params);
    DispatchUnit unit = new DispatchUnit(this, runner, domid, vcpu, params, clock.nanoTime());
    unit.markDirty();
    return unit;
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
    seat.acquire();
    List<DispatchUnit> copy = new ArrayList<>(units);
    seat.release();
    return copy;
  }

  /**
   * Replaces the scheduler while the pool runs; see {@link Swap}. Returns when it is done, or
   * undone: whatever a scheduler does wrong is in the report. One at a time; others wait.
   *
   * @param factory the new scheduler
   * @param given its parameters, name to text
   * @throws IllegalArgumentException if a parameter is wrong or the scheduler cannot work with it
   * @throws IllegalStateException on a pCPU thread
   */
  public SwapReport swap(SchedulerFactory factory, Map<String, String> given) {
    if (Thread.currentThread() instanceof PcpuThread) {
      throw new IllegalStateException("a swap cannot be awaited by a pCPU thread: pool=" + name);
    }
    SchedParameters values = SchedParameters.check(factory, given);
    synchronized (swapping) {
      Scheduler incoming;
      String from = seat.factory().name();
      long now = clock.nanoTime();
      try {
        incoming = factory.create(seat, values);
      } catch (IllegalArgumentException e) {
        throw e;
      } catch (Exception | LinkageError | StackOverflowError e) { // a plugin that fails to start
        Swap refused = new Swap(from, factory, null, cpus.length, now);
        refused.refuse("create() threw " + e);
        return refused.report(name);
      }
      Swap swap = new Swap(from, factory, incoming, cpus.length, now);
      seat.swap(swap, rendezvousNanos);
      close(swap.outgoing().orElse(incoming));
      return swap.report(name);
    }
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

  void checkAffinity(UnitParams params) {
    if (!params.affinity().containsAnyBelow(cpus.length)) {
      throw new IllegalArgumentException(
          "affinity has no pCPU of the pool: affinity=%s pool=%s pcpus=%d"
              .formatted(params.affinity(), name, cpus.length));
    }
  }

  boolean closed() {
    return closed;
  }

  /** Puts a unit into the mailbox and sees to it that a pCPU looks there. Lock-free. */
  void post(DispatchUnit unit) {
    if (!mailbox.push(unit)) {
      return; // who made it non-empty is kicking, or has kicked, and what was kicked takes all
    }
    int last = unit.lastPcpu;
    if (last >= 0 && cpus[last].wakeIfIdle()) {
      return;
    }
    for (Pcpu cpu : cpus) {
      if (cpu.isIdle() && cpu.wakeIfIdle()) {
        return;
      }
    }
    // All busy. A pCPU that posts will soon be here anyway; else interrupt the unit's last one.
    if (Thread.currentThread() instanceof PcpuThread thread && thread.cpu.pool == this) {
      thread.cpu.kick();
    } else {
      cpus[Math.max(0, last)].kick();
    }
  }

  /** All units in the order in which they began to wait. With the lock. */
  List<DispatchUnit> unitsByWaiting() {
    List<DispatchUnit> order = new ArrayList<>(units);
    order.sort(Comparator.comparingLong(unit -> unit.queuedAtNanos));
    return order;
  }

  /** Stops the pCPUs, guests or not, and waits for their threads. */
  void close() {
    seat.acquire();
    closed = true;
    seat.cancelSwap(() -> "the pool is closed");
    seat.release();
    for (Pcpu cpu : cpus) {
      cpu.kick();
    }
    for (Pcpu cpu : cpus) {
      cpu.join();
    }
  }
}
