package dev.domus.sched.nullsched;

import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.UnitQueue;

/**
 * The null scheduler: it does not schedule.
 *
 * <h2>Source</h2>
 *
 * <p>Xen's null scheduler (D. Faggioli, 2017), as Xen's command-line documentation and the message
 * of its series describe it: for embedded and real-time systems with no more vCPUs than pCPUs,
 * where anything that a scheduler could decide would only add latency. Written anew from there.
 *
 * <h2>Design</h2>
 *
 * <p>A unit that comes is assigned a pCPU that nobody has: the one that ran it last, or one that it
 * prefers, or one that it may use. It keeps it until it goes or its affinity changes, also while it
 * sleeps: then the pCPU idles. So a wake-up costs a tickle, and nobody is ever preempted. Weights
 * and caps mean nothing.
 *
 * <p>Who finds no pCPU stands in the wait queue, in the order of arrival, and <em>does not run</em>
 * until a pCPU becomes free that it may use. That is what Xen does, and what the operator chose
 * with this scheduler; the kernel is told so ({@link SchedUnit#mayWaitNanos}), or its watchdog
 * would take the pool away. Nothing is refused: a swap to {@code null} on a pool with more vCPUs
 * than pCPUs leaves those running that have waited longest, and the next swap lets all go on.
 *
 * <h2>Cost</h2>
 *
 * <p>{@code pick}, {@code put}, {@code wake} and {@code sleep} are O(1), whatever waits. An
 * assignment looks at 64 pCPUs at a time, or at O(log n) of those who wait.
 */
final class NullScheduler implements Scheduler {
  private final SchedPool pool;
  private final Placement[] owners;
  private final CpuSet free;
  private final CpuSet idle;
  private final UnitQueue<Placement> waiting = new UnitQueue<>();
  private long arrivals;

  NullScheduler(SchedPool pool) {
    this.pool = pool;
    this.owners = new Placement[pool.pcpus()];
    this.free = new CpuSet(pool.pcpus());
    this.idle = new CpuSet(pool.pcpus());
    for (int pcpu = 0; pcpu < owners.length; pcpu++) {
      free.add(pcpu);
    }
  }

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    Placement placement = new Placement(unit, arrivals++);
    unit.data(placement);
    place(placement);
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    Placement placement = (Placement) unit.data();
    unit.data(null);
    if (placement.pcpu == Placement.NONE) {
      waiting.remove(placement);
    } else {
      release(placement);
    }
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Placement placement = (Placement) unit.data();
    if (placement.pcpu == Placement.NONE) {
      waiting.remove(placement);
      place(placement);
    } else if (!unit.affinity().contains(placement.pcpu)) {
      release(placement);
      place(placement);
    }
  }

  private void place(Placement placement) {
    int pcpu = free.bestFor(placement.unit);
    if (pcpu < 0) {
      waiting.add(placement, placement.arrival);
      placement.unit.mayWaitNanos(Long.MAX_VALUE);
    } else {
      assign(placement, pcpu);
    }
  }

  private void assign(Placement placement, int pcpu) {
    free.remove(pcpu);
    owners[pcpu] = placement;
    placement.pcpu = pcpu;
    placement.unit.mayWaitNanos(0);
    if (placement.unit.runnable()) {
      tickle(pcpu);
    }
  }

  /** Takes a unit's pCPU away, and gives it to the first that waits for such a one. */
  private void release(Placement placement) {
    int pcpu = placement.pcpu;
    placement.pcpu = Placement.NONE;
    owners[pcpu] = null;
    free.add(pcpu);
    Placement next = waiting.firstFor(pcpu);
    if (next != null) {
      waiting.remove(next);
      assign(next, pcpu);
    }
  }

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    int pcpu = ((Placement) unit.data()).pcpu;
    if (pcpu != Placement.NONE) {
      tickle(pcpu);
    }
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {}

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    Placement owner = owners[pcpu];
    if (owner != null && owner.unit.runnable()) {
      idle.remove(pcpu);
      decision.run(owner.unit, Decision.MAX_SLICE_NANOS);
    } else {
      idle.add(pcpu);
      decision.idle();
    }
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {}

  private void tickle(int pcpu) {
    if (idle.contains(pcpu)) {
      idle.remove(pcpu);
      pool.tickle(pcpu);
    }
  }
}
