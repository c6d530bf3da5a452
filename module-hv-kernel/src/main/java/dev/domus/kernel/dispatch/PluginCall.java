package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.RunQueue;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;

/**
 * The only way into plugin code: the call in progress on one seat, and what it answered.
 *
 * <p>Whatever the scheduler throws comes back as a value: it costs the plugin its pool, and nobody
 * else anything. {@link PoolLock.Abandoned} passes through: the watchdog has given the calling
 * thread up meanwhile. Guarded by the seat's lock; {@link #toString} also serves the watchdog, for
 * a message about the call in which it took that lock away.
 */
final class PluginCall {
  /** The verbs of the SPI that run under the lock. */
  enum Verb {
    INSERT,
    REMOVE,
    WAKE,
    SLEEP,
    PICK,
    PUT,
    ADJUST,
    EXPORT,
    LOAD,
    OFFER
  }

  // Written before enterCall.
  private Verb verb;
  private DispatchUnit unit;

  private long load;
  private SchedUnit offered;

  /** Calls a verb that concerns one unit. Returns what it threw, or null. */
  Throwable tell(PoolLock lock, Scheduler target, Verb what, DispatchUnit about, long poolNow) {
    verb = what;
    unit = about;
    Throwable thrown = null;
    lock.enterCall();
    try {
      switch (what) {
        case INSERT -> target.insert(about, poolNow);
        case REMOVE -> target.remove(about, poolNow);
        case WAKE -> target.wake(about, poolNow);
        case SLEEP -> target.sleep(about, poolNow);
        case ADJUST -> target.adjust(about, poolNow);
        case EXPORT -> target.export(about, poolNow);
        case PICK, PUT, LOAD, OFFER -> throw new AssertionError(what);
      }
    } catch (Throwable e) { // a plugin's, of any kind
      thrown = e;
    }
    lock.leaveCall();
    return thrown;
  }

  /** Asks for a decision, which goes into the pCPU thread's. Returns what it threw, or null. */
  Throwable pick(PoolLock lock, Scheduler target, Pcpu cpu, long poolNow) {
    verb = Verb.PICK;
    unit = null;
    Throwable thrown = null;
    lock.enterCall();
    try {
      target.pick(cpu.index, poolNow, cpu.thread().decision);
    } catch (Throwable e) { // a plugin's, of any kind
      thrown = e;
    }
    lock.leaveCall();
    return thrown;
  }

  /** Says that a unit has come off its pCPU. Returns what it threw, or null. */
  Throwable put(
      PoolLock lock,
      Scheduler target,
      DispatchUnit about,
      Pcpu cpu,
      PutReason reason,
      long ranNanos,
      long poolNow) {
    verb = Verb.PUT;
    unit = about;
    Throwable thrown = null;
    lock.enterCall();
    try {
      target.put(about, cpu.index, reason, ranNanos, poolNow);
    } catch (Throwable e) { // a plugin's, of any kind
      thrown = e;
    }
    lock.leaveCall();
    return thrown;
  }

  /** Asks for the {@link #load}. Returns what it threw, or null. */
  Throwable askLoad(PoolLock lock, Scheduler target, long poolNow) {
    verb = Verb.LOAD;
    unit = null;
    Throwable thrown = null;
    lock.enterCall();
    try {
      load = target.load(poolNow);
    } catch (Throwable e) { // a plugin's, of any kind
      thrown = e;
    }
    lock.leaveCall();
    return thrown;
  }

  /** Asks for an offer, {@link #offered}. Returns what it threw, or null. */
  Throwable askOffer(PoolLock lock, Scheduler target, RunQueue taker, long poolNow) {
    verb = Verb.OFFER;
    unit = null;
    offered = null;
    Throwable thrown = null;
    lock.enterCall();
    try {
      offered = target.offer(taker, poolNow).orElse(null);
    } catch (Throwable e) { // a plugin's, of any kind
      thrown = e;
    }
    lock.leaveCall();
    return thrown;
  }

  long load() {
    return load;
  }

  /** The unit that was offered, or null. */
  SchedUnit offered() {
    return offered;
  }

  /** The call in progress, or the last one: {@code WAKE(d3v0)}. */
  @Override
  public String toString() {
    return unit == null ? verb + "()" : verb + "(" + unit + ")";
  }
}
