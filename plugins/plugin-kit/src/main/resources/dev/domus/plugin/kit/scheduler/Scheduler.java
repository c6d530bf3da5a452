package @PACKAGE@;

import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.UnitQueue;

/**
 * Equal turns, one after the other.
 *
 * <h2>Design</h2>
 *
 * <p>Those who wait stand in one queue. A pCPU takes the first that may run on it, for one turn;
 * then that one goes to the end. So with n who want to run on p pCPUs each gets p/n of a pCPU.
 *
 * <h2>Who is told</h2>
 *
 * <p>A pCPU that finds nobody idles until it is tickled. Whoever begins to wait has to be looked
 * for a pCPU then: who wakes up, who is adjusted, and who came off a pCPU that did not take it
 * again, since an idle pCPU may be allowed that one and not those before it.
 *
 * <h2>Cost</h2>
 *
 * <p>O(log n) a call, with whatever affinities; nothing is allocated but by {@code insert}.
 */
final class @CLASS@Scheduler implements Scheduler {
  private final SchedPool pool;
  private final long sliceNanos;
  private final UnitQueue<Place> queue = new UnitQueue<>();

  /** pCPUs that were told to idle, and not tickled since. */
  private final CpuSet idle;

  /** By pCPU: what came off it, until it decides. */
  private final Place[] off;

  @CLASS@Scheduler(SchedPool pool, long sliceNanos) {
    this.pool = pool;
    this.sliceNanos = sliceNanos;
    this.idle = new CpuSet(pool.pcpus());
    this.off = new Place[pool.pcpus()];
  }

  /** What is kept of a unit. */
  private static final class Place extends UnitQueue.Entry {
    Place(SchedUnit unit) {
      super(unit);
    }
  }

  private static Place placeOf(SchedUnit unit) {
    return (Place) unit.data();
  }

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    Place place = new Place(unit);
    unit.data(place);
    if (unit.runnable()) {
      enqueue(place);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    unit.data(null);
  }

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    enqueue(placeOf(unit));
    tickleIdleFor(placeOf(unit));
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    queue.remove(placeOf(unit));
  }

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    idle.remove(pcpu);
    Place before = off[pcpu];
    off[pcpu] = null;
    Place place = queue.firstFor(pcpu);
    if (before != null && before != place) {
      tickleIdleFor(before);
    }
    if (place == null) {
      idle.add(pcpu);
      decision.idle();
      return;
    }
    queue.remove(place);
    decision.run(place.unit, sliceNanos);
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    if (reason != PutReason.SLEPT) {
      enqueue(placeOf(unit));
      off[pcpu] = placeOf(unit);
    }
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Place place = placeOf(unit);
    if (place.isQueued()) {
      queue.remove(place); // its affinity was read when it was put in
      enqueue(place);
      tickleIdleFor(place);
    }
  }

  /** With equal keys: at the end. */
  private void enqueue(Place place) {
    queue.add(place, 0);
  }

  private void tickleIdleFor(Place place) {
    int pcpu = place.isQueued() ? idle.bestFor(place.unit) : -1;
    if (pcpu >= 0) {
      idle.remove(pcpu); // the next one is looked for another
      pool.tickle(pcpu);
    }
  }
}
