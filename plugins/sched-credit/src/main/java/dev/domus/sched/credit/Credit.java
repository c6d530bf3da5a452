package dev.domus.sched.credit;

import dev.domus.kernel.sched.CapBucket;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.UnitQueue;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The credit scheduler: shares in proportion to weights, work conserving, with caps.
 *
 * <h2>Sources</h2>
 *
 * <p>The idea is that of Xen's credit scheduler (E. Ackaouy 2006), as the Xen wiki's page "Credit
 * Scheduler" and L. Cherkasova, D. Gupta, A. Vahdat, <em>Comparison of the Three CPU Schedulers in
 * Xen</em> (2007) describe it: credits, weights and caps, the classes BOOST, UNDER and OVER, slices
 * of 30 ms, ticks of 10 ms. It was written anew from there.
 *
 * <h2>Design</h2>
 *
 * <p>Credit is pCPU time in nanoseconds. Running spends it. Once a period (30 ms) the pCPU time of
 * the pool is handed out, in advance, in proportion to weights ({@link Accounting}). Who has credit
 * is UNDER its share and is served before those who are OVER; when all are over, those who owe
 * least run, so the pool conserves work. A unit that wakes up with credit is BOOSTed to the front:
 * it has slept, so it has a right to the pCPU now, and it can use it up only at the rate at which
 * it earns.
 *
 * <p>One queue per class for the whole pool: while one lock serialises all calls, a queue per pCPU
 * would only add stealing. Those who are BOOSTed are served in the order in which they woke up.
 * Those who are UNDER, by credit: first whoever had it in an earlier period already, then whoever
 * has most. On a pool of several pCPUs this is what makes shares come out: a unit that is due 20 ms
 * of a period can only have them if it begins in its first 10 ms, and list scheduling by longest
 * processing time (R. Graham, <em>Bounds on Multiprocessing Timing Anomalies</em>, 1969) sees to
 * it. (In the order of their coming, those that came off when a period ended stood behind all
 * others, period after period, and heavy units lost a fifth of what they were due.) Those who are
 * OVER, by what they owe, least first: debts are paid, not handed on.
 *
 * <h2>Where it differs from Xen's, and why</h2>
 *
 * <ul>
 *   <li><b>Exact charging.</b> Xen's first version charged whoever it found running at the tick,
 *       and a guest that slept across each tick ran for free (F. Zhou et al., <em>Scheduler
 *       Vulnerabilities and Coordinated Attacks in Cloud Computing</em>, 2011). Here each
 *       nanosecond is charged when the unit comes off.
 *   <li><b>Stolen time is nobody's.</b> What is charged and what is handed out are both what the
 *       host really gave (see Time in {@link Scheduler}), so shares and caps hold on a busy host
 *       too: a cap of 50 is half of what a pCPU delivers there, not half of the clock's time. And a
 *       unit that lost most of a slice to the host is not sent to the back of the queue: the kernel
 *       lets it go on.
 *   <li><b>A period grows with the number of units</b> ({@link Accounting#periodNanos}), beyond
 *       some 60 a pCPU.
 *   <li><b>A slice ends where the credit ends</b> if somebody waits, so two units of weights 1 : 2
 *       on one pCPU run 10 and 20 ms of each 30, instead of alternating at 30 ms and being
 *       corrected later.
 *   <li><b>No timer.</b> Accounting is done by the first pick after it is due. Slices end at that
 *       time if somebody waits or is parked, so it is late by at most what a pCPU needs to come out
 *       of its guest.
 *   <li><b>A yield goes behind everybody</b> for this turn: the guest says that it waits for
 *       somebody, who may be over its share.
 *   <li><b>No rate limit</b> against boosts: a guest that wakes up ten thousand times a second
 *       makes as many switches, within its share.
 * </ul>
 *
 * <h2>Weights and caps of domains</h2>
 *
 * <p>As in Xen today, weight counts for each active vCPU, the cap for the domain as a whole. It is
 * metered by a {@link CapBucket}; while that is empty, the domain's units are parked.
 *
 * <h2>Cost</h2>
 *
 * <p>O(log n) a call, with whatever affinities; {@code wake} looks at each pCPU of the pool when
 * none is idle. Accounting is O(n log n), once in a period, in which there are some n decisions: so
 * it is O(log n) amortised, and one decision in n takes as long.
 */
final class Credit implements Scheduler {
  /** With somebody waiting, no slice is shorter: a hundred switches' worth. */
  private static final long SHORTEST_NANOS = 500_000;

  private final SchedPool pool;
  private final long sliceNanos;
  private final long tickNanos;
  private final Accounting accounting;

  private final List<Account> accounts = new ArrayList<>();
  private final Map<Integer, Account.Domain> domains = new HashMap<>();

  private final UnitQueue<Account> boosted = new UnitQueue<>();
  private final UnitQueue<Account> under = new UnitQueue<>();
  private final UnitQueue<Account> over = new UnitQueue<>();

  /** Runnable, but their domain has used up its cap; by when it may go on. */
  private final UnitQueue<Account> parked = new UnitQueue<>();

  // Per pCPU.
  private final Account[] running;
  private final long[] startedNanos;
  private final CpuSet idle;
  private final CpuSet tickled;

  /** What ran last, until the next decision. */
  private final Account[] off;

  private boolean began;
  private long accountedNanos;

  /** Keys in {@link #under} count from here: those of each period are behind those before. */
  private long underBase;

  Credit(SchedPool pool, long sliceNanos) {
    this.pool = pool;
    this.sliceNanos = sliceNanos;
    this.tickNanos = sliceNanos / 3;
    this.accounting = new Accounting(pool.pcpus(), sliceNanos, SHORTEST_NANOS);
    this.running = new Account[pool.pcpus()];
    this.startedNanos = new long[pool.pcpus()];
    this.idle = new CpuSet(pool.pcpus());
    this.tickled = new CpuSet(pool.pcpus());
    this.off = new Account[pool.pcpus()];
  }

  // ------------------------------------------------------------------ units come and go

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    Account.Domain domain =
        domains.computeIfAbsent(
            unit.domid(), id -> new Account.Domain(new CapBucket(unit.cap(), nowNanos)));
    domain.units++;
    domain.bucket.cap(unit.cap());
    Account account = new Account(unit, domain);
    account.index = accounts.size();
    accounts.add(account);
    account.creditNanos = accounting.bounded(unit.standingNanos(), accounts.size());
    unit.data(account);
    if (unit.runnable()) {
      enqueue(account, byCredit(account), nowNanos);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    unit.data(null);
    Account last = accounts.removeLast();
    if (last != account) {
      accounts.set(account.index, last);
      last.index = account.index;
    }
    if (--account.domain.units == 0) {
      domains.remove(unit.domid());
    }
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    account.domain.bucket.cap(unit.cap());
    if (account.isQueued()) {
      dequeue(account);
      enqueue(account, account.priority, nowNanos);
      tickleFor(account, nowNanos);
    }
  }

  @Override
  public void export(SchedUnit unit, long nowNanos) {
    unit.standingNanos(((Account) unit.data()).creditNanos);
  }

  // ------------------------------------------------------------------ units wake and sleep

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    enqueue(account, account.creditNanos > 0 ? Priority.BOOST : Priority.OVER, nowNanos);
    tickleFor(account, nowNanos);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    dequeue((Account) unit.data());
  }

  // ------------------------------------------------------------------ the decision

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    tickled.remove(pcpu);
    idle.remove(pcpu);
    unpark(nowNanos);
    if (!began) {
      if (somebodyWaits()) {
        began = true;
        account(nowNanos, accounting.firstPeriodNanos(accounts));
      }
    } else if (nowNanos - accountedNanos >= periodNanos()) {
      account(nowNanos, nowNanos - accountedNanos);
    }
    Account account = boosted.firstFor(pcpu);
    if (account == null) {
      account = under.firstFor(pcpu);
    }
    if (account == null) {
      account = over.firstFor(pcpu);
    }
    Account before = off[pcpu];
    off[pcpu] = null;
    if (before != null && before != account) {
      tickleIdle(before); // an idle pCPU may be allowed this one, and not those before it
    }
    if (account == null) {
      idle.add(pcpu);
      decision.idleUntil(parked.isEmpty() ? Long.MAX_VALUE : parked.first().key());
      return;
    }
    dequeue(account);
    running[pcpu] = account;
    startedNanos[pcpu] = nowNanos;
    decision.run(account.unit, slice(account, nowNanos));
  }

  private long slice(Account account, long nowNanos) {
    long slice = account.priority == Priority.BOOST ? tickNanos : sliceNanos;
    if (somebodyWaits()) {
      slice = Math.min(slice, account.priority == Priority.OVER ? tickNanos : account.creditNanos);
      slice = Math.min(slice, accountedNanos + periodNanos() - nowNanos);
    }
    slice = Math.max(slice, SHORTEST_NANOS);
    slice = Math.min(slice, account.domain.bucket.begin(nowNanos));
    if (!parked.isEmpty()) {
      slice = Math.min(slice, parked.first().key() - nowNanos);
    }
    return Math.max(slice, Decision.MIN_SLICE_NANOS);
  }

  private long periodNanos() {
    return accounting.periodNanos(accounts.size());
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    Account account = (Account) unit.data();
    running[pcpu] = null;
    account.domain.bucket.end(ranNanos);
    account.creditNanos = accounting.bounded(account.creditNanos - ranNanos, accounts.size());
    account.ran = true;
    if (reason == PutReason.SLEPT) {
      return;
    }
    enqueue(account, byCredit(account), nowNanos);
    if (reason == PutReason.YIELDED) {
      goBehindAll(account);
    }
    off[pcpu] = account;
  }

  /** A period is over: hands out credit, and sorts those anew whose class that has changed. */
  private void account(long nowNanos, long elapsedNanos) {
    accountedNanos = nowNanos;
    accounting.handOut(accounts, elapsedNanos);
    // Further than any two keys of one period are apart.
    underBase += 4 * accounting.bounded(Long.MAX_VALUE, accounts.size());
    for (int i = 0; i < accounts.size(); i++) {
      Account account = accounts.get(i);
      // A boost that was not served in a whole period has met others: it is one of many. And what
      // is
      // still owed, is less now.
      if (account.isQueued() && account.priority != Priority.UNDER && !parked.contains(account)) {
        dequeue(account);
        enqueue(account, byCredit(account), nowNanos);
      }
    }
  }

  // ------------------------------------------------------------------ queues

  private static Priority byCredit(Account account) {
    return Priority.byCredit(account.creditNanos);
  }

  private void enqueue(Account account, Priority priority, long nowNanos) {
    account.priority = priority;
    if (account.domain.bucket.isEmpty(nowNanos)) {
      parked.add(account, account.domain.bucket.fullAtNanos(nowNanos));
      return;
    }
    switch (priority) {
      case BOOST -> boosted.add(account, 0);
      case UNDER -> under.add(account, underBase - account.creditNanos);
      case OVER -> over.add(account, -account.creditNanos);
    }
  }

  private void dequeue(Account account) {
    if (under.contains(account)) {
      under.remove(account);
    } else if (over.contains(account)) {
      over.remove(account);
    } else if (boosted.contains(account)) {
      boosted.remove(account);
    } else {
      parked.remove(account);
    }
  }

  private void goBehindAll(Account account) {
    if (!parked.contains(account)) {
      dequeue(account);
      account.priority = Priority.OVER;
      over.add(account, over.isEmpty() ? 0 : Math.max(0, over.last().key()));
    }
  }

  /** Lets those go on whose domains may. */
  private void unpark(long nowNanos) {
    for (Account account = parked.first();
        account != null && account.key() - nowNanos <= 0;
        account = parked.first()) {
      parked.remove(account);
      enqueue(account, byCredit(account), nowNanos);
      tickleFor(account, nowNanos);
    }
  }

  private boolean somebodyWaits() {
    return !under.isEmpty() || !over.isEmpty() || !boosted.isEmpty();
  }

  // ------------------------------------------------------------------ tickling

  /** Finds a pCPU for a unit that has just become runnable. */
  private void tickleFor(Account account, long nowNanos) {
    if (!account.isQueued() || parked.contains(account) || tickleIdle(account)) {
      return;
    }
    CpuMask allowed = account.unit.affinity();
    int victim = -1;
    Priority worst = account.priority;
    for (int pcpu = 0; pcpu < running.length; pcpu++) {
      if (running[pcpu] != null && !tickled.contains(pcpu) && allowed.contains(pcpu)) {
        Priority now = priorityOf(pcpu, nowNanos);
        if (worst.preempts(now)) {
          worst = now;
          victim = pcpu;
        }
      }
    }
    if (victim >= 0) {
      tickled.add(victim);
      pool.tickle(victim);
    }
  }

  /**
   * The class of what runs on a pCPU, with what it has spent since it was picked: on a pool of
   * several pCPUs that is an estimate, good enough for who is to be preempted; what is charged is
   * what {@link #put} says.
   */
  private Priority priorityOf(int pcpu, long nowNanos) {
    Account account = running[pcpu];
    long ran = nowNanos - startedNanos[pcpu];
    Priority now = Priority.byCredit(account.creditNanos - ran);
    boolean boosted = account.priority == Priority.BOOST && ran < tickNanos;
    return now == Priority.UNDER && boosted ? Priority.BOOST : now;
  }

  private boolean tickleIdle(Account account) {
    int pcpu = account.isQueued() && !parked.contains(account) ? idle.bestFor(account.unit) : -1;
    if (pcpu < 0) {
      return false;
    }
    idle.remove(pcpu); // the next wake-up looks for another one
    pool.tickle(pcpu);
    return true;
  }
}
