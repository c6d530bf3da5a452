package dev.domus.sched.eevdf;

import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.RunQueue;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.UnitQueue;
import java.util.Optional;

/**
 * Earliest eligible virtual deadline first.
 *
 * <h2>Sources</h2>
 *
 * <p>I. Stoica, H. Abdel-Wahab, <em>Earliest Eligible Virtual Deadline First: A Flexible and
 * Accurate Mechanism for Proportional Share Resource Allocation</em> (1995). Linux schedules by it
 * since 6.6; what its documentation (scheduler/sched-eevdf) and P. Zijlstra's descriptions say of
 * placement, of run-to-parity and of slices that tasks ask for is followed here. Written anew from
 * there.
 *
 * <h2>Design</h2>
 *
 * <p>Each unit has a virtual run time, which its own time advances in inverse proportion to its
 * weight. {@link VirtualTime} is their average. A unit that is behind the average is owed time: it
 * is <em>eligible</em>. It asks for a slice; the virtual time at which it would have had that, had
 * the slice begun now, is its <em>deadline</em>. Of all that are eligible, the one with the
 * earliest deadline runs. So shares go by weight and nothing else, with an error of about a slice;
 * and who asks for a short slice has an early deadline, and is served soon, within its share.
 *
 * <p>Those who wait stand in two queues: the eligible by deadline, the others by virtual run time.
 * The average goes on with all that runs, so others become eligible one after the other, and are
 * moved when a pCPU decides. Where the average goes back, because somebody comes who is owed much,
 * who has been eligible stays so until it has run: it was owed time when it was moved. (Linux looks
 * at each pick; for that it needs a tree by run time in which every node knows the earliest
 * deadline below it, and does not find the first for one pCPU among many that are pinned
 * elsewhere.)
 *
 * <h2>Sleeping</h2>
 *
 * <ul>
 *   <li>What a unit is owed when it falls asleep, it is owed when it wakes up, but no more than two
 *       slices: sleeping earns nothing, and costs nothing.
 *   <li>What it has had too much is forgiven as the average catches up with it. Linux keeps such a
 *       unit in its queue until then; here it keeps its virtual run time, which comes to the same
 *       but for its weight in the average.
 *   <li>A waking unit preempts only one that asked for a longer slice, and has a later deadline:
 *       otherwise slices are run to their end (run to parity), and latency is bounded by a slice.
 * </ul>
 *
 * <h2>Several pCPUs</h2>
 *
 * <p>With one run queue for the pool a unit can be owed more than one pCPU can give: what a unit is
 * owed is cut at two slices here too, and if nobody is eligible the one that has run least runs, so
 * work is conserved and the rest is shared by weight. With a run queue a pCPU ({@code
 * run-queues=pcpu}) each queue is fair to its own, as in Linux, and gives units away to queues that
 * weigh less.
 *
 * <h2>What it does not do</h2>
 *
 * <p>Caps are not kept: bandwidth control is another mechanism in Linux too. A yield lets one
 * decision pass over the unit; its account is not changed.
 *
 * <h2>Cost</h2>
 *
 * <p>O(log n) a call, amortised, with whatever affinities; waking up looks at each pCPU of the run
 * queue when none is idle.
 */
final class Eevdf implements Scheduler {
  /** What may be owed, in slices. */
  private static final int MOST_OWED = 2;

  /** How many that wait are looked at for one that another run queue may have. */
  private static final int MOST_LOOKS = 64;

  /** A hundred times what a switch costs; what is left of a slice is not cut shorter. */
  private static final long SHORTEST_NANOS = 100_000;

  private final SchedPool pool;
  private final EevdfFactory factory;
  private final long sliceNanos;
  private final VirtualTime time = new VirtualTime();
  private final UnitQueue<Entity> eligible = new UnitQueue<>();
  private final UnitQueue<Entity> later = new UnitQueue<>();
  private Entity firstYielded;
  private Entity lastYielded;

  // Per pCPU.
  private final Entity[] running;
  private final CpuSet idle;
  private final CpuSet tickled;

  /** What ran last, until the next decision. */
  private final Entity[] off;

  Eevdf(SchedPool pool, EevdfFactory factory, long sliceNanos) {
    this.pool = pool;
    this.factory = factory;
    this.sliceNanos = sliceNanos;
    this.running = new Entity[pool.pcpus()];
    this.idle = new CpuSet(pool.pcpus());
    this.tickled = new CpuSet(pool.pcpus());
    this.off = new Entity[pool.pcpus()];
  }

  // ------------------------------------------------------------------ units come and go

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    Entity entity = new Entity(unit);
    unit.data(entity);
    readParameters(entity);
    entity.vruntime = time.now();
    entity.sleptWithLagNanos = Math.clamp(unit.standingNanos(), 0, mostOwedNanos(entity));
    if (unit.standingNanos() < 0) {
      entity.vruntime -= entity.virtual(Math.max(unit.standingNanos(), -mostOwedNanos(entity)));
    }
    if (unit.runnable()) {
      awaken(entity);
    }
  }

  private void readParameters(Entity entity) {
    entity.weight = entity.unit.weight();
    long asked = factory.sliceOf(entity.unit.parameters(factory));
    entity.sliceNanos = asked == 0 ? sliceNanos : asked;
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    unit.data(null);
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Entity entity = (Entity) unit.data();
    boolean counted = unit.runnable();
    boolean queued = entity.isQueued();
    long now = time.now();
    long lag = entity.real(now - entity.vruntime);
    if (queued) {
      dequeue(entity);
    }
    if (counted) {
      time.remove(entity);
    }
    readParameters(entity);
    entity.vruntime = now - entity.virtual(lag);
    entity.deadline = entity.vruntime + entity.virtual(entity.sliceNanos);
    if (counted) {
      time.add(entity);
    }
    if (queued) {
      enqueue(entity);
      tickleIdle(entity);
    }
  }

  @Override
  public void export(SchedUnit unit, long nowNanos) {
    Entity entity = (Entity) unit.data();
    long lag =
        unit.runnable()
            ? entity.real(time.now() - entity.vruntime)
            : entity.sleptWithLagNanos > 0
                ? entity.sleptWithLagNanos
                : Math.min(0, entity.real(time.now() - entity.vruntime));
    unit.standingNanos(lag);
  }

  // ------------------------------------------------------------------ units wake and sleep

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    Entity entity = (Entity) unit.data();
    awaken(entity);
    if (!tickleIdle(entity)) {
      preemptFor(entity);
    }
  }

  /** Places a unit that was asleep in virtual time, and queues it. */
  private void awaken(Entity entity) {
    long now = time.now();
    long owed = entity.sleptWithLagNanos;
    if (owed > 0) {
      // Its coming moves the average towards it: that is made up for, or it would lose by sleeping.
      long weights = time.weights();
      long inflated = weights == 0 ? owed : owed + owed * entity.weight / weights;
      entity.vruntime = now - entity.virtual(Math.min(inflated, mostOwedNanos(entity)));
    } else if (entity.vruntime - now < 0) {
      entity.vruntime = now;
    }
    entity.sleptWithLagNanos = 0;
    entity.deadline = entity.vruntime + entity.virtual(entity.sliceNanos);
    time.add(entity);
    enqueue(entity);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    Entity entity = (Entity) unit.data();
    if (entity.yielded) {
      takeBackYields();
    }
    dequeue(entity);
    leave(entity);
  }

  private void leave(Entity entity) {
    long owed = entity.real(time.now() - entity.vruntime);
    entity.sleptWithLagNanos = Math.clamp(owed, 0, mostOwedNanos(entity));
    time.remove(entity);
  }

  private static long mostOwedNanos(Entity entity) {
    return MOST_OWED * entity.sliceNanos;
  }

  // ------------------------------------------------------------------ the decision

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    tickled.remove(pcpu);
    idle.remove(pcpu);
    long now = time.now();
    for (Entity first = later.first();
        first != null && first.key() - now <= 0;
        first = later.first()) {
      later.remove(first);
      eligible.add(first, first.deadline);
    }
    Entity best = bestFor(pcpu);
    boolean yields = firstYielded != null;
    if (yields) {
      takeBackYields();
      if (best == null) {
        best = bestFor(pcpu);
      }
    }
    Entity before = off[pcpu];
    off[pcpu] = null;
    if (before != null && before != best) {
      tickleIdle(before); // an idle pCPU may be allowed this one, and not those before it
    }
    if (best == null) {
      idle.add(pcpu);
      decision.idle();
      return;
    }
    dequeue(best);
    running[pcpu] = best;
    long left = best.real(best.deadline - best.vruntime);
    decision.run(best.unit, Math.clamp(left, SHORTEST_NANOS, Decision.MAX_SLICE_NANOS));
  }

  /** The one with the earliest deadline; if nobody is eligible, the one that has run least. */
  private Entity bestFor(int pcpu) {
    Entity best = eligible.firstFor(pcpu);
    return best != null ? best : later.firstFor(pcpu);
  }

  private void enqueue(Entity entity) {
    later.add(entity, entity.vruntime);
  }

  private void dequeue(Entity entity) {
    if (later.contains(entity)) {
      later.remove(entity);
    } else {
      eligible.remove(entity);
    }
  }

  private void takeBackYields() {
    for (Entity entity = firstYielded; entity != null; ) {
      Entity next = entity.nextYielded;
      entity.nextYielded = null;
      entity.yielded = false;
      enqueue(entity);
      entity = next;
    }
    firstYielded = null;
    lastYielded = null;
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    Entity entity = (Entity) unit.data();
    running[pcpu] = null;
    time.move(entity, entity.vruntime + entity.virtual(ranNanos));
    long furthestBehind = time.now() - entity.virtual(mostOwedNanos(entity));
    if (entity.vruntime - furthestBehind < 0) {
      time.move(entity, furthestBehind);
    }
    if (reason == PutReason.SLEPT) {
      leave(entity);
      return;
    }
    if (entity.deadline - entity.vruntime < entity.virtual(SHORTEST_NANOS)
        || reason != PutReason.PREEMPTED) {
      entity.deadline = entity.vruntime + entity.virtual(entity.sliceNanos);
    }
    if (reason == PutReason.YIELDED) {
      entity.yielded = true;
      if (lastYielded == null) {
        firstYielded = entity;
      } else {
        lastYielded.nextYielded = entity;
      }
      lastYielded = entity;
    } else {
      enqueue(entity);
    }
    off[pcpu] = entity;
  }

  // ------------------------------------------------------------------ run queues

  @Override
  public long load(long nowNanos) {
    return time.weights();
  }

  /** Gives the one that would run last here, if that makes the queues more even. */
  @Override
  public Optional<SchedUnit> offer(RunQueue taker, long nowNanos) {
    Entity entity = later.lastAllowed(taker, MOST_LOOKS);
    if (entity == null) {
      entity = eligible.lastAllowed(taker, MOST_LOOKS);
    }
    long difference = time.weights() * taker.pcpus() - taker.load() * pool.pcpus();
    return entity != null && entity.weight * taker.pcpus() < difference
        ? Optional.of(entity.unit)
        : Optional.empty();
  }

  // ------------------------------------------------------------------ tickling

  private void preemptFor(Entity woken) {
    if (woken.vruntime - time.now() > 0) {
      return;
    }
    int victim = -1;
    long latest = woken.deadline;
    for (int pcpu = 0; pcpu < running.length; pcpu++) {
      Entity entity = running[pcpu];
      if (entity != null
          && !tickled.contains(pcpu)
          && woken.sliceNanos < entity.sliceNanos
          && entity.deadline - latest > 0
          && woken.unit.affinity().contains(pcpu)) {
        latest = entity.deadline;
        victim = pcpu;
      }
    }
    if (victim >= 0) {
      tickled.add(victim);
      pool.tickle(victim);
    }
  }

  /** Finds an idle pCPU: the last one, or one that the unit prefers, or one that it may use. */
  private boolean tickleIdle(Entity entity) {
    int pcpu = entity.isQueued() ? idle.bestFor(entity.unit) : -1;
    if (pcpu < 0) {
      return false;
    }
    idle.remove(pcpu); // the next wake-up looks for another one
    pool.tickle(pcpu);
    return true;
  }
}
