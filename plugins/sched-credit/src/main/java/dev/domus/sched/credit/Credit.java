package dev.domus.sched.credit;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import java.util.ArrayList;
import java.util.Arrays;
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
 * <p>One queue per class for the whole pool, FIFO within a class: while one lock serialises all
 * calls, a queue per pCPU would only add stealing.
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
 * <p>As in Xen today, weight counts for each active vCPU, the cap for the domain as a whole ({@link
 * DomainCap}).
 *
 * <h2>Cost</h2>
 *
 * <p>All calls are O(1) but for affinities, which make {@code pick} step over units that may not
 * run there; {@code wake} looks at each pCPU of the pool when none is idle; once a period the
 * accounting is O(units).
 */
final class Credit implements Scheduler {
  /** With somebody waiting, no slice is shorter: a hundred switches' worth. */
  private static final long SHORTEST_NANOS = 500_000;

  private final SchedPool pool;
  private final long sliceNanos;
  private final long tickNanos;
  private final Accounting accounting;

  private final List<Account> accounts = new ArrayList<>();
  private final Map<Integer, DomainCap> domains = new HashMap<>();
  private final List<DomainCap> caps = new ArrayList<>(); // the same, to be walked

  private final Account[] queues;

  /** Runnable, but their domain has used up its cap. */
  private final Account parked = Account.head();

  // Per pCPU.
  private final Account[] running;
  private final long[] startedNanos;
  private final boolean[] idle;
  private final boolean[] tickled;

  private boolean began;
  private long accountedNanos;

  Credit(SchedPool pool, long sliceNanos) {
    this.pool = pool;
    this.sliceNanos = sliceNanos;
    this.tickNanos = sliceNanos / 3;
    this.accounting = new Accounting(pool.pcpus(), sliceNanos);
    this.queues = new Account[Priority.values().length];
    Arrays.setAll(queues, i -> Account.head());
    this.running = new Account[pool.pcpus()];
    this.startedNanos = new long[pool.pcpus()];
    this.idle = new boolean[pool.pcpus()];
    this.tickled = new boolean[pool.pcpus()];
  }

  // ------------------------------------------------------------------ units come and go

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    DomainCap domain = domains.computeIfAbsent(unit.domid(), this::newDomain);
    domain.units++;
    domain.cap(unit.cap(), sliceNanos);
    Account account = new Account(unit, domain);
    account.creditNanos = accounting.bounded(unit.standingNanos());
    accounts.add(account);
    unit.data(account);
    if (unit.runnable()) {
      enqueue(account, byCredit(account), false);
    }
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    unit.data(null);
    accounts.remove(account);
    if (--account.domain.units == 0) {
      caps.remove(domains.remove(unit.domid()));
    }
  }

  private DomainCap newDomain(int domid) {
    DomainCap domain = new DomainCap();
    caps.add(domain);
    return domain;
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Account account = (Account) unit.data();
    account.domain.cap(unit.cap(), sliceNanos);
    if (account.queued()) {
      account.unlink();
      enqueue(account, account.priority, false);
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
    enqueue(account, account.creditNanos > 0 ? Priority.BOOST : byCredit(account), false);
    tickleFor(account, nowNanos);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {
    ((Account) unit.data()).unlink();
  }

  // ------------------------------------------------------------------ the decision

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    tickled[pcpu] = false;
    idle[pcpu] = false;
    if (!began) {
      if (somebodyWaits() || !parked.ringEmpty()) {
        began = true;
        account(nowNanos, accounting.firstPeriodNanos(accounts));
      }
    } else if (nowNanos - accountedNanos >= sliceNanos) {
      account(nowNanos, nowNanos - accountedNanos);
    }
    for (Account queue : queues) {
      for (Account account = queue.next; account != queue; account = account.next) {
        if (account.unit.affinity().contains(pcpu)) {
          account.unlink();
          account.domain.running++;
          running[pcpu] = account;
          startedNanos[pcpu] = nowNanos;
          decision.run(account.unit, slice(account, nowNanos));
          return;
        }
      }
    }
    idle[pcpu] = true;
    decision.idleUntil(parked.ringEmpty() ? Long.MAX_VALUE : accountedNanos + sliceNanos);
  }

  private long slice(Account account, long nowNanos) {
    long slice = account.priority == Priority.BOOST ? tickNanos : sliceNanos;
    boolean waiting = somebodyWaits();
    if (waiting) {
      slice = Math.min(slice, account.priority.isOver() ? tickNanos : account.creditNanos);
    }
    if (account.domain.cap != 0) {
      slice = Math.min(slice, account.domain.budgetNanos / account.domain.running);
    }
    if (waiting || !parked.ringEmpty()) {
      slice = Math.min(slice, accountedNanos + sliceNanos - nowNanos);
    }
    return Math.max(slice, SHORTEST_NANOS);
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    Account account = (Account) unit.data();
    running[pcpu] = null;
    account.domain.running--;
    account.domain.charge(ranNanos);
    account.creditNanos = accounting.bounded(account.creditNanos - ranNanos);
    account.ran = true;
    switch (reason) {
      case SLEPT -> {
        return;
      }
      case YIELDED -> enqueue(account, Priority.DEEPEST, false);
      case PREEMPTED -> enqueue(account, byCredit(account), true);
      case EXPIRED -> enqueue(account, byCredit(account), false);
    }
    if (othersWait(account) || !unit.affinity().contains(pcpu)) {
      tickleIdle(account); // an idle pCPU may be allowed this one, and not those before it
    }
  }

  /** A period is over: hands out credit, sorts the waiting anew, lets the parked go on. */
  private void account(long nowNanos, long elapsedNanos) {
    accountedNanos = nowNanos;
    accounting.handOut(accounts, elapsedNanos);
    for (int i = 0; i < caps.size(); i++) {
      caps.get(i).refill(elapsedNanos, sliceNanos);
    }
    boolean unparked = false;
    for (Account account = parked.next; account != parked; ) {
      Account next = account.next;
      if (!account.domain.exhausted()) {
        account.unlink();
        enqueue(account, byCredit(account), false);
        unparked = true;
      }
      account = next;
    }
    if (unparked) {
      tickleAllIdle(); // not just as many: the unparked may push others to where they may not run
    }
    for (int i = 0; i < accounts.size(); i++) {
      Account account = accounts.get(i);
      if (account.queued() && account.priority != byCredit(account)) {
        // A boost that was not served in a whole period has met others: it is one of many.
        account.unlink();
        enqueue(account, byCredit(account), false);
      }
    }
  }

  // ------------------------------------------------------------------ queues

  private Priority byCredit(Account account) {
    return Priority.byCredit(account.creditNanos, tickNanos);
  }

  private void enqueue(Account account, Priority priority, boolean first) {
    account.priority = priority;
    if (account.domain.exhausted()) {
      account.insertBefore(parked);
    } else {
      Account queue = queues[priority.ordinal()];
      account.insertBefore(first ? queue.next : queue);
    }
  }

  private boolean somebodyWaits() {
    for (Account queue : queues) {
      if (!queue.ringEmpty()) {
        return true;
      }
    }
    return false;
  }

  /** Whether anybody but this one, who is queued or parked, waits. */
  private boolean othersWait(Account account) {
    for (Account queue : queues) {
      if (!queue.ringEmpty() && !(queue.next == account && queue.previous == account)) {
        return true;
      }
    }
    return false;
  }

  // ------------------------------------------------------------------ tickling

  /** Finds a pCPU for a unit that has just become runnable. */
  private void tickleFor(Account account, long nowNanos) {
    if (account.domain.exhausted() || tickleIdle(account)) {
      return;
    }
    int victim = -1;
    Priority worst = account.priority;
    for (int pcpu = 0; pcpu < running.length; pcpu++) {
      if (running[pcpu] != null && !tickled[pcpu] && account.unit.affinity().contains(pcpu)) {
        Priority now = priorityOf(pcpu, nowNanos);
        if (account.priority.preempts(now) && now.compareTo(worst) > 0) {
          worst = now;
          victim = pcpu;
        }
      }
    }
    if (victim >= 0) {
      tickled[victim] = true;
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
    Priority now = Priority.byCredit(account.creditNanos - ran, tickNanos);
    boolean boosted = account.priority == Priority.BOOST && ran < tickNanos;
    return now == Priority.UNDER && boosted ? Priority.BOOST : now;
  }

  private boolean tickleIdle(Account account) {
    if (account.domain.exhausted()) {
      return false;
    }
    int last = account.unit.lastPcpu();
    if (last >= 0 && last < idle.length && idle[last] && tickleIfAllowed(account, last)) {
      return true;
    }
    for (int pcpu = 0; pcpu < idle.length; pcpu++) {
      if (idle[pcpu] && tickleIfAllowed(account, pcpu)) {
        return true;
      }
    }
    return false;
  }

  private void tickleAllIdle() {
    for (int pcpu = 0; pcpu < idle.length; pcpu++) {
      if (idle[pcpu]) {
        idle[pcpu] = false;
        pool.tickle(pcpu);
      }
    }
  }

  private boolean tickleIfAllowed(Account account, int pcpu) {
    if (!account.unit.affinity().contains(pcpu)) {
      return false;
    }
    idle[pcpu] = false; // the next wake-up looks for another one
    pool.tickle(pcpu);
    return true;
  }
}
