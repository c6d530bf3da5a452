package dev.domus.sched.rtds;

import dev.domus.kernel.sched.CapBucket;
import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.UnitQueue;
import java.util.HashMap;
import java.util.Map;

/**
 * The real-time deferrable server scheduler: each vCPU has a budget of pCPU time in each period.
 *
 * <h2>Sources</h2>
 *
 * <p>J. Strosnider, J. Lehoczky, L. Sha, <em>The Deferrable Server Algorithm for Enhanced Aperiodic
 * Responsiveness in Hard Real-Time Environments</em> (1995); S. Xi, M. Xu, C. Lu, L. Phan, C. Gill,
 * O. Sokolsky, I. Lee, <em>Real-Time Multi-Core Virtual Machine Scheduling in Xen</em> (2014); what
 * Xen's documentation says of {@code xl sched-rtds}: periods, budgets, extra time and their
 * defaults. Written anew from there.
 *
 * <h2>Design</h2>
 *
 * <ul>
 *   <li>A unit is a {@link Server}. Its budget is filled at the beginning of each period, and is
 *       lost at its end. Running uses it up; sleeping keeps it (that is <em>deferrable</em>).
 *   <li>Of those that have budget and want a pCPU, those with the earliest ends of their periods
 *       run, on whatever pCPUs they may use: global EDF. One that wakes up, or whose next period
 *       begins, preempts the one with the latest deadline.
 *   <li>One that has used its budget up waits for the next period, an {@linkplain Server.Alarm
 *       alarm} set; or, with {@code extratime}, waits behind all that have budget, in the order of
 *       the extra time that it has had: what no reservation wants is shared evenly, in turns of a
 *       budget. (Xen shares it by levels, which begin anew in each period.)
 *   <li>Without {@code extratime} a budget is a cap too: no unit gets more in any of its periods.
 *       The domain's generic cap holds besides, over all its units and their extra time; a
 *       reservation above the cap is only had up to it.
 *   <li>Weights mean nothing.
 * </ul>
 *
 * <h2>Overload</h2>
 *
 * <p>Reservations may be more than there are pCPUs. EDF then is known to fail at random, and a unit
 * may get nothing for ever, its deadline being renewed while it waits. Here a unit that waits when
 * its deadline passes <em>keeps that deadline</em>, until it has been given a pCPU: the longer it
 * is late, the earlier its deadline is compared to others'. So everybody gets a turn, of a budget
 * at most; and when all can be served, no deadline passes, and it is plain EDF. Whether too many
 * reservations are honoured at all is {@link Admission}'s question.
 *
 * <h2>Where it differs from Xen's, and why</h2>
 *
 * <ul>
 *   <li>Late deadlines, as just said; and admission control, which Xen leaves to its operator.
 *   <li><b>No timer.</b> A slice ends when the unit's period ends, or when somebody else's begins
 *       who would preempt it.
 *   <li><b>A yield</b> goes behind all that have budget, for this turn; it gives no budget away.
 *   <li><b>Stolen time is nobody's</b>: periods are of the pool's time (see {@link Scheduler}). On
 *       a host that robs the pool, reservations keep their proportion, and are longer on the wall
 *       clock: a deadline cannot be kept in time that is not there.
 * </ul>
 *
 * <h2>Swaps</h2>
 *
 * <p>What a unit has had of its budget is what it has had too much, to the next scheduler; what it
 * comes with is taken off its first budget.
 *
 * <h2>Cost</h2>
 *
 * <p>O(log n) a call. A decision lets those alarms ring that are due; one is set at most when a
 * budget is used up, so that is O(log n) amortised. Waking up where all pCPUs are busy looks at
 * each pCPU of the pool. With admission control, coming and going is O(n<sup>2</sup>) at worst.
 */
final class Rtds implements Scheduler {
  /** At how many alarms a slice looks ahead for one that preempts it; it ends at the last. */
  private static final int MOST_LOOKS = 8;

  private final SchedPool pool;
  private final RtdsFactory factory;
  private final Admission admission;
  private final Map<Integer, Server.Domain> domains = new HashMap<>();

  /** Those with budget, by deadline. */
  private final UnitQueue<Server> ready = new UnitQueue<>();

  /** Those in extra time, by how much of it they have had. */
  private final UnitQueue<Server> extra = new UnitQueue<>();

  /** When to look again at those who have used up their budgets, or their domains' caps. */
  private final UnitQueue<Server.Alarm> alarms = new UnitQueue<>();

  /** What the one had had that got extra time last: who comes has had no less. */
  private long leastExtraNanos;

  /** Of all units' reservations, the millionth parts of a pCPU. */
  private long reserved;

  // Per pCPU.
  private final Server[] running;
  private final CpuSet idle;
  private final CpuSet tickled;

  /** What ran last, until the next decision. */
  private final Server[] off;

  Rtds(SchedPool pool, RtdsFactory factory, Admission admission) {
    this.pool = pool;
    this.factory = factory;
    this.admission = admission;
    this.running = new Server[pool.pcpus()];
    this.idle = new CpuSet(pool.pcpus());
    this.tickled = new CpuSet(pool.pcpus());
    this.off = new Server[pool.pcpus()];
  }

  // ------------------------------------------------------------------ units come and go

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    Server.Domain domain =
        domains.computeIfAbsent(
            unit.domid(), id -> new Server.Domain(new CapBucket(unit.cap(), nowNanos)));
    domain.units++;
    domain.bucket.cap(unit.cap());
    Server server = new Server(unit, domain);
    unit.data(server);
    readParameters(server);
    admission.add(server);
    reserved += share(server);
    server.deadlineNanos = nowNanos + server.periodNanos;
    server.leftNanos =
        server.budgetNanos - Math.clamp(-unit.standingNanos(), 0, server.budgetNanos);
    if (unit.runnable()) {
      enqueue(server, nowNanos);
    }
  }

  private void readParameters(Server server) {
    SchedParameters values = server.unit.parameters(factory);
    server.periodNanos = RtdsFactory.periodNanos(values);
    server.budgetNanos = RtdsFactory.budgetNanos(values);
    server.extraTime = RtdsFactory.extraTime(values);
  }

  private static long share(Server server) {
    return server.budgetNanos * 1_000_000 / server.periodNanos;
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    Server server = (Server) unit.data();
    unit.data(null);
    if (--server.domain.units == 0) {
      domains.remove(unit.domid());
    }
    reserved -= share(server);
    admission.remove(server);
    admitOthers(nowNanos);
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Server server = (Server) unit.data();
    server.domain.bucket.cap(unit.cap());
    boolean waits = isWaiting(server);
    if (waits) {
      dequeue(server);
    }
    reserved -= share(server);
    admission.remove(server);
    long period = server.periodNanos;
    long budget = server.budgetNanos;
    readParameters(server);
    admission.add(server);
    reserved += share(server);
    if (server.periodNanos != period || server.budgetNanos != budget) {
      // Another reservation begins now, without what was had of the old one in its period.
      long had = nowNanos < server.deadlineNanos ? budget - server.leftNanos : 0;
      server.deadlineNanos = nowNanos + server.periodNanos;
      server.leftNanos = server.budgetNanos - had;
      server.spent = false;
    }
    if (waits) {
      enqueue(server, nowNanos);
      tickleFor(server);
    }
    admitOthers(nowNanos);
  }

  private void admitOthers(long nowNanos) {
    for (Server server = admission.admitNext(); server != null; server = admission.admitNext()) {
      if (isWaiting(server)) {
        dequeue(server);
        server.spent = false;
        enqueue(server, nowNanos);
        tickleFor(server);
      }
    }
  }

  @Override
  public void export(SchedUnit unit, long nowNanos) {
    Server server = (Server) unit.data();
    long had = server.budgetNanos - server.leftNanos;
    unit.standingNanos(nowNanos < server.deadlineNanos ? -Math.max(0, had) : 0);
  }

  // ------------------------------------------------------------------ units wake and sleep

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    Server server = (Server) unit.data();
    server.renew(nowNanos);
    enqueue(server, nowNanos);
    tickleFor(server);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    dequeue((Server) unit.data());
  }

  // ------------------------------------------------------------------ queues

  private boolean isWaiting(Server server) {
    return server.isQueued() || server.alarm.isQueued();
  }

  private void dequeue(Server server) {
    if (ready.contains(server)) {
      ready.remove(server);
    } else if (extra.contains(server)) {
      extra.remove(server);
    }
    if (server.alarm.isQueued()) {
      alarms.remove(server.alarm);
    }
  }

  /** Puts one that is runnable and does not run where it waits now. */
  private void enqueue(Server server, long nowNanos) {
    server.spent |= server.leftNanos <= 0 || !server.admitted;
    SchedUnit unit = server.unit;
    if (!server.spent || server.extraTime) {
      // EDF serves it in its period; on an overloaded pool it takes as many as there are too much.
      unit.mayWaitNanos(2 * server.periodNanos * (1 + reserved / (1_000_000L * running.length)));
    } else {
      unit.mayWaitNanos(server.admitted ? 2 * server.periodNanos : Long.MAX_VALUE);
    }
    if (server.domain.bucket.isEmpty(nowNanos)) {
      alarms.add(server.alarm, server.domain.bucket.fullAtNanos(nowNanos));
    } else if (!server.spent) {
      ready.add(server, server.deadlineNanos);
    } else {
      if (server.extraTime) {
        server.extraNanos = Math.max(server.extraNanos, leastExtraNanos);
        extra.add(server, server.extraNanos);
      }
      alarms.add(server.alarm, server.deadlineNanos);
    }
  }

  /** Looks at those whose time has come. */
  private void ring(long nowNanos) {
    for (Server.Alarm alarm = alarms.first();
        alarm != null && alarm.key() - nowNanos <= 0;
        alarm = alarms.first()) {
      Server server = alarm.server;
      dequeue(server);
      server.renew(nowNanos);
      enqueue(server, nowNanos);
      tickleFor(server);
    }
  }

  // ------------------------------------------------------------------ the decision

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    idle.remove(pcpu);
    tickled.remove(pcpu);
    ring(nowNanos);
    Server server = ready.firstFor(pcpu);
    if (server == null) {
      server = extra.firstFor(pcpu);
    }
    Server before = off[pcpu];
    off[pcpu] = null;
    if (before != null && before != server) {
      tickleIdle(before); // an idle pCPU may be allowed this one, and not those before it
    }
    if (server == null) {
      idle.add(pcpu);
      decision.idleUntil(alarms.isEmpty() ? Long.MAX_VALUE : alarms.first().key());
      return;
    }
    dequeue(server);
    server.renew(nowNanos); // it may be late
    if (server.spent) {
      leastExtraNanos = server.extraNanos;
    }
    running[pcpu] = server;
    decision.run(server.unit, slice(server, nowNanos));
  }

  /** How long it may run, counted as running. */
  private long slice(Server server, long nowNanos) {
    long turn = server.spent ? server.budgetNanos : server.leftNanos;
    long end = Math.min(turn, server.domain.bucket.begin(nowNanos)) + nowNanos;
    end = Math.min(end, server.deadlineNanos);
    int looks = 0;
    for (Server.Alarm alarm = alarms.first();
        alarm != null && alarm.key() < end;
        alarm = alarms.next(alarm)) {
      if (server.spent
          || alarm.key() + alarm.server.periodNanos < server.deadlineNanos
          || ++looks == MOST_LOOKS) {
        end = alarm.key();
      }
    }
    return Math.clamp(end - nowNanos, Decision.MIN_SLICE_NANOS, Decision.MAX_SLICE_NANOS);
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    Server server = (Server) unit.data();
    running[pcpu] = null;
    server.domain.bucket.end(ranNanos);
    if (server.spent) {
      server.extraNanos += ranNanos;
    } else {
      server.leftNanos -= ranNanos;
    }
    if (reason == PutReason.SLEPT) {
      return;
    }
    server.renew(nowNanos);
    enqueue(server, nowNanos);
    if (reason == PutReason.YIELDED) {
      goBehindAll(server);
    }
    off[pcpu] = server;
  }

  private void goBehindAll(Server server) {
    if (ready.contains(server)) {
      long last = ready.last().key();
      ready.remove(server);
      ready.add(server, last);
    }
  }

  // ------------------------------------------------------------------ tickling

  /**
   * Finds a pCPU for one that has begun to wait: an idle one, or the one with the latest deadline.
   */
  private void tickleFor(Server server) {
    if (!server.isQueued() || tickleIdle(server)) {
      return;
    }
    int victim = -1;
    Server latest = server;
    for (int pcpu = 0; pcpu < running.length; pcpu++) {
      Server candidate = running[pcpu];
      if (candidate != null
          && !tickled.contains(pcpu)
          && isBefore(latest, candidate)
          && server.unit.affinity().contains(pcpu)) {
        latest = candidate;
        victim = pcpu;
      }
    }
    if (victim >= 0) {
      tickled.add(victim);
      pool.tickle(victim);
    }
  }

  /** Whether one should run before the other: with budget before extra time, then by deadline. */
  private static boolean isBefore(Server one, Server other) {
    if (one.spent) {
      return false; // no extra time is so urgent
    }
    return other.spent || one.deadlineNanos < other.deadlineNanos;
  }

  private boolean tickleIdle(Server server) {
    int pcpu = server.isQueued() ? idle.bestFor(server.unit) : -1;
    if (pcpu < 0) {
      return false;
    }
    idle.remove(pcpu); // the next wake-up looks for another one
    pool.tickle(pcpu);
    return true;
  }
}
