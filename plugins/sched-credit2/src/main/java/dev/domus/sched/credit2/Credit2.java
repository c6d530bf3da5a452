package dev.domus.sched.credit2;

import dev.domus.kernel.sched.CpuMask;
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
 * Credit2: the scheduler of Xen today.
 *
 * <h2>Sources</h2>
 *
 * <p>G. Dunlap's talks and the Xen wiki's pages "Credit2 Scheduler" and "Credit2 Scheduler
 * Development" (2009 …); D. Faggioli on soft affinity, caps and run queues (2013–2018); the
 * parameters of {@code xl sched-credit2} and of Xen's command line. Written anew from there.
 *
 * <h2>Credit</h2>
 *
 * <p>All have credit, and burn it while they run, the slower the heavier they are. The unit with
 * most credit runs, until another one has more. When the first of those who wait has none left,
 * that is a <em>reset</em>: all get 10 ms of credit, and nobody keeps more than that. So among
 * those who always want to run, shares go by weight; who sleeps saves up to 10 ms, and when it
 * wakes up has more than those who run, so it preempts them: latency without a boost that could be
 * abused.
 *
 * <p>A reset is one addition here: see {@link Account}. Nobody who waits has credit then, so nobody
 * who waits can come to have too much, and the order of the queue stays as it is; the limit is
 * applied to others when they wake up or come off their pCPUs.
 *
 * <h2>Who runs where</h2>
 *
 * <ul>
 *   <li><b>A waking unit</b> goes to an idle pCPU: its last one, or one that it prefers (soft
 *       affinity), or one that it may use. If there is none, it preempts the one with least credit,
 *       first among the pCPUs that it prefers; on another pCPU than its last it must be ahead by
 *       {@code migrate-resist}, since it finds a cold cache there.
 *   <li><b>Rate limit.</b> Who has run for less than {@code ratelimit} goes on for the rest of it.
 *   <li><b>At the end of a slice</b> it stays too, unless the first one has run here before or is
 *       ahead by {@code migrate-resist}.
 * </ul>
 *
 * <h2>Run queues and load</h2>
 *
 * <p>The pool is divided into run queues of 16 pCPUs, or of one, or is one. Each has credit of its
 * own and tracks its load: how many units want a pCPU, averaged with exponential decay ({@link
 * LoadAverage}); each unit's load is tracked in the same way. A unit goes to another queue if a
 * pCPU idles there, or if that makes loads more even by more than a tolerance ({@link Balance}),
 * which is small where there is more to do than pCPUs. Shares are by weight within a run queue;
 * between them only loads are made even, as in Xen.
 *
 * <h2>Caps</h2>
 *
 * <p>The domain's pCPU time is metered by a {@link dev.domus.kernel.sched.CapBucket} that its units
 * share, also those in other run queues. Where it is empty, they are parked until it is full.
 *
 * <h2>Where it differs from Xen's</h2>
 *
 * <ul>
 *   <li>Credit is burned relative to the default weight, not to the largest in the queue: so it
 *       need not be converted when that changes. A heavy unit's 10 ms of credit last longer than 10
 *       ms.
 *   <li>A yield puts a unit behind all who wait, for this turn, instead of lending them 1 ms of
 *       credit: who spins for a lock waits for somebody, who may have much less.
 *   <li>No timers: what is parked is looked at by decisions, and slices end when it is due.
 * </ul>
 *
 * <h2>Swaps</h2>
 *
 * <p>Half of the credit of a reset is what units have on average: more is what a unit is owed, less
 * is what it has had too much.
 *
 * <h2>Cost</h2>
 *
 * <p>O(log n) a call; a wake-up without an idle pCPU looks at each pCPU of the run queue.
 */
final class Credit2 implements Scheduler {
  /** What a reset gives, and the longest slice. */
  private static final long RESET_NANOS = 10_000_000;

  private static final long RESET = RESET_NANOS * Account.SCALE;

  /** With others waiting no slice is shorter: a hundred switches' worth. */
  private static final long SHORTEST_NANOS = 500_000;

  /** How many that wait are looked at for one that another run queue may have. */
  private static final int MOST_LOOKS = 64;

  private final SchedPool pool;
  private final Caps caps;
  private final long ratelimitNanos;
  private final long resist;
  private final Balance balance;

  private final UnitQueue<Account> queue = new UnitQueue<>();
  private final UnitQueue<Account> parked = new UnitQueue<>();

  /** All the credit that anybody was ever given, if it has missed no reset. */
  private long given = RESET;

  private final LoadAverage load;
  private int runnable;

  // Per pCPU.
  private final Account[] running;
  private final long[] startedNanos;
  private final CpuSet idle;

  /** Those that will decide anew soon, so that another wake-up looks elsewhere. */
  private final CpuSet yielding;

  /** What ran last, until the next decision. */
  private final Account[] off;

  /** Whether that may go on, for it was preempted within its rate limit. */
  private final CpuSet holding;

  Credit2(SchedPool pool, Caps caps, long ratelimitNanos, long resistNanos, Balance balance) {
    this.pool = pool;
    this.caps = caps;
    this.ratelimitNanos = ratelimitNanos;
    this.resist = resistNanos * Account.SCALE;
    this.balance = balance;
    this.load = new LoadAverage(balance.windowNanos(), 0);
    this.running = new Account[pool.pcpus()];
    this.startedNanos = new long[pool.pcpus()];
    this.idle = new CpuSet(pool.pcpus());
    this.yielding = new CpuSet(pool.pcpus());
    this.off = new Account[pool.pcpus()];
    this.holding = new CpuSet(pool.pcpus());
  }

  // ------------------------------------------------------------------ units come and go

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    LoadAverage unitLoad = new LoadAverage(balance.windowNanos(), nowNanos);
    Account account = new Account(unit, caps.enter(unit, nowNanos), unitLoad);
    account.weight = unit.weight();
    long most = account.nanos(RESET);
    long owed = Math.clamp(unit.standingNanos(), -most, most);
    account.burned = given - RESET / 2 - account.credit(owed);
    limit(account);
    unit.data(account);
    if (unit.runnable()) {
      countRunnable(account, 1, nowNanos);
      enqueue(account, nowNanos);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    unit.data(null);
    caps.leave(unit);
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    account.weight = unit.weight();
    account.domain.bucket.cap(unit.cap());
    if (account.isQueued()) {
      dequeue(account);
      enqueue(account, nowNanos);
      tickleFor(account, nowNanos);
    }
  }

  @Override
  public void export(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    limit(account);
    unit.standingNanos(account.nanos(given - account.burned - RESET / 2));
  }

  // ------------------------------------------------------------------ units wake and sleep

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    countRunnable(account, 1, nowNanos);
    limit(account);
    account.turnNanos = 0;
    enqueue(account, nowNanos);
    tickleFor(account, nowNanos);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    dequeue(account);
    countRunnable(account, -1, nowNanos);
  }

  /** Nobody keeps more credit than a reset gives. */
  private void limit(Account account) {
    if (given - account.burned > RESET) {
      account.burned = given - RESET;
    }
  }

  private void countRunnable(Account account, int change, long nowNanos) {
    load.advance(nowNanos, runnable);
    account.load.advance(nowNanos, change > 0 ? 0 : 1);
    runnable += change;
  }

  // ------------------------------------------------------------------ queues

  private void enqueue(Account account, long nowNanos) {
    if (account.domain.bucket.isEmpty(nowNanos)) {
      parked.add(account, account.domain.bucket.fullAtNanos(nowNanos));
    } else {
      queue.add(account, account.burned);
    }
  }

  private void dequeue(Account account) {
    if (queue.contains(account)) {
      queue.remove(account);
    } else {
      parked.remove(account);
    }
  }

  private void unpark(long nowNanos) {
    for (Account account = parked.first();
        account != null && account.key() - nowNanos <= 0;
        account = parked.first()) {
      parked.remove(account);
      enqueue(account, nowNanos);
      tickleFor(account, nowNanos);
    }
  }

  private void resetIfDue() {
    Account first = queue.first();
    if (first != null && first.key() - given >= 0) {
      given += ((first.key() - given) / RESET + 1) * RESET;
    }
  }

  // ------------------------------------------------------------------ the decision

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    idle.remove(pcpu);
    yielding.remove(pcpu);
    unpark(nowNanos);
    resetIfDue();
    Account before = off[pcpu];
    off[pcpu] = null;
    boolean held = holding.contains(pcpu);
    holding.remove(pcpu);
    Account account = queue.firstFor(pcpu);
    if (before != null && before != account && mayStay(before, account, pcpu, held)) {
      account = before;
    } else {
      held = false;
    }
    if (before != null && before != account) {
      before.turnNanos = 0;
      tickleIdle(before); // an idle pCPU may be allowed this one, and not those before it
    }
    if (account == null) {
      idle.add(pcpu);
      decision.idleUntil(parked.isEmpty() ? Long.MAX_VALUE : parked.first().key());
      return;
    }
    queue.remove(account);
    running[pcpu] = account;
    startedNanos[pcpu] = nowNanos;
    if (held) {
      yielding.add(pcpu); // it ends soon enough
    } else {
      account.turnNanos = 0;
    }
    decision.run(account.unit, slice(account, nowNanos, held));
  }

  /** Whether what ran last goes on, though another one has more credit. */
  private boolean mayStay(Account before, Account first, int pcpu, boolean held) {
    if (!queue.contains(before) || !before.unit.affinity().contains(pcpu)) {
      return false;
    }
    return held
        || first != null && first.unit.lastPcpu() != pcpu && before.key() - first.key() < resist;
  }

  /** How long it may run, counted as running. */
  private long slice(Account account, long nowNanos, boolean held) {
    Account next = queue.first();
    long until = next == null ? given : next.key();
    long shortest = Math.max(SHORTEST_NANOS, ratelimitNanos);
    long slice =
        held
            ? Math.max(SHORTEST_NANOS, ratelimitNanos - account.turnNanos)
            : Math.clamp(
                account.nanos(until - account.burned), shortest, Math.max(shortest, RESET_NANOS));
    slice = Math.min(slice, account.domain.bucket.begin(nowNanos));
    if (!parked.isEmpty()) {
      slice = Math.min(slice, parked.first().key() - nowNanos);
    }
    return Math.max(slice, Decision.MIN_SLICE_NANOS);
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    Account account = (Account) unit.data();
    running[pcpu] = null;
    account.domain.bucket.end(ranNanos);
    account.burned += account.credit(ranNanos);
    account.turnNanos += ranNanos;
    limit(account);
    if (reason == PutReason.SLEPT) {
      countRunnable(account, -1, nowNanos);
      return;
    }
    enqueue(account, nowNanos);
    if (reason == PutReason.YIELDED) {
      goBehindAll(account);
    }
    off[pcpu] = account;
    if (reason == PutReason.PREEMPTED && account.turnNanos < ratelimitNanos) {
      holding.add(pcpu);
    }
  }

  private void goBehindAll(Account account) {
    if (queue.contains(account)) {
      long last = queue.last().key();
      queue.remove(account);
      queue.add(account, last);
    }
  }

  // ------------------------------------------------------------------ run queues

  @Override
  public long load(long nowNanos) {
    load.advance(nowNanos, runnable);
    return load.average() / running.length;
  }

  /** Gives the one that would run last, to a pCPU that idles or where loads become more even. */
  @Override
  public Optional<SchedUnit> offer(RunQueue taker, long nowNanos) {
    Account account = queue.lastAllowed(taker, MOST_LOOKS);
    if (account == null) {
      return Optional.empty();
    }
    account.load.advance(nowNanos, 1);
    long mine = load(nowNanos);
    return taker.idles()
            || balance.isWorthIt(
                mine, running.length, taker.load(), taker.pcpus(), account.load.average())
        ? Optional.of(account.unit)
        : Optional.empty();
  }

  // ------------------------------------------------------------------ tickling

  /** Finds a pCPU for one that has begun to wait: an idle one, or the one with least credit. */
  private void tickleFor(Account account, long nowNanos) {
    if (!queue.contains(account) || tickleIdle(account)) {
      return;
    }
    CpuMask soft = account.unit.softAffinity();
    int last = account.unit.lastPcpu();
    int victim = -1;
    boolean preferred = false;
    long most = account.burned;
    for (int pcpu = 0; pcpu < running.length; pcpu++) {
      Account candidate = running[pcpu];
      if (candidate == null || yielding.contains(pcpu) || !account.unit.affinity().contains(pcpu)) {
        continue;
      }
      // On a pool of several pCPUs that is an estimate, good enough for who is to be preempted.
      long burned = candidate.burned + candidate.credit(nowNanos - startedNanos[pcpu]);
      if (pcpu != last) {
        burned -= resist;
      }
      boolean better = soft.contains(pcpu);
      if (better && !preferred && burned - account.burned > 0) {
        preferred = true;
        most = account.burned;
      }
      if (better == preferred && burned - most > 0) {
        most = burned;
        victim = pcpu;
      }
    }
    if (victim >= 0) {
      yielding.add(victim);
      pool.tickle(victim);
    }
  }

  private boolean tickleIdle(Account account) {
    int pcpu = queue.contains(account) ? idle.bestFor(account.unit) : -1;
    if (pcpu < 0) {
      return false;
    }
    idle.remove(pcpu); // the next wake-up looks for another one
    pool.tickle(pcpu);
    return true;
  }
}
