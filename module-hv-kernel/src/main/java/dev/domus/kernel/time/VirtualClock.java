package dev.domus.kernel.time;

import dev.domus.kernel.dispatch.PcpuClock;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.plugin.VirtualTime.Stop;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * The clock of a deterministic machine: time is what the guests have done, and nothing happens but
 * at an instant of it.
 *
 * <h2>What moves it</h2>
 *
 * <pre>
 *   an instruction retires                          {@value #NANOS_PER_INSTRUCTION} ns
 *   the guest leaves guest mode (hypercall, fault)  {@value #EXIT_NANOS} ns, and with a seed up to twice that
 *   a long hypercall asks whether it should pause   {@value #WORK_NANOS} ns
 *   the pCPU idles                                  to the next timer, or to what the scheduler waits for
 * </pre>
 *
 * <p>Instructions are the engine's count, so the clock costs nothing while a guest runs: the time
 * is {@code offset + retired × }{@value #NANOS_PER_INSTRUCTION}, worked out when somebody asks. It
 * is the pace of an interpreter on a usual host, so a guest finds the proportions that it would
 * find on a machine in real time. The guest's counter runs at 1 GHz as ever (decision 0003).
 *
 * <h2>What may happen, and when</h2>
 *
 * <p>One pCPU thread runs all guests. It comes to {@link #arrive} between any two entries into
 * guest mode, and to {@link #idle} when there is nobody to run; everything else happens there, in
 * this order:
 *
 * <ol>
 *   <li><b>Services.</b> What a guest's events have given them to do is done, by one thread in the
 *       order in which it was asked for ({@code ServiceTurns}), while the pCPU waits. So an answer
 *       takes no virtual time and comes before the guest's next instruction.
 *   <li><b>The world outside</b>: the machine stands still at {@link #limit} until {@link
 *       #runUntil} moves it. Whoever does something to the machine, does it while it stands still,
 *       and {@link #settle} lets all consequences happen before the next thing is done.
 *   <li><b>Timers</b> that are due.
 * </ol>
 *
 * <p>Budgets end at an exact count: at the end of the slice, the next timer, the limit, or the
 * guest's periodic tick, whichever comes first. Kicks come only from the pCPU's own thread, or
 * while it stands still; they never cut a run of instructions short.
 *
 * <h2>Standing still</h2>
 *
 * <p>Others have to know when the pCPU's thread has nothing left to do. They take a number ({@link
 * #looksAsked}) after what they did, unpark the thread, and wait until it rests having seen that
 * number ({@link #looksDone}). The thread reads the number <em>before</em> it looks for work the
 * last time. While it idles the looking is {@code Pcpu.idle}'s, before it calls {@link #idle}; so a
 * number seen there for the first time sends it back to look once more.
 *
 * <p>Whoever hands work over counts it ({@link #workBegins}) before his own is counted as done, so
 * {@link #outstanding} is zero only if all services are at rest.
 *
 * <p>Fields without a note belong to the pCPU's thread; others read them while it rests.
 */
public final class VirtualClock implements PcpuClock {
  /** Virtual nanoseconds that an instruction takes. */
  public static final long NANOS_PER_INSTRUCTION = 10;

  /** What an exit takes: as many instructions as the run loop of real time counts it for. */
  private static final long EXIT_NANOS = 1_000;

  private static final long WORK_NANOS = 100;

  private final TimerQueue timers = TimerQueue.driven();
  private final Instant wallClock;

  /** The vCPU whose instructions move the clock, or null between two slices. */
  private CpuState running;

  /** Time at its instruction 0. */
  private long offset;

  /** Time while none runs. */
  private long nanos;

  /** State of the generator that varies what exits take, or 0 for none. */
  private long noise;

  /** Any thread: virtual time does not go beyond. Moved ahead by the driver only. */
  private volatile long limit = Long.MIN_VALUE;

  /** Any thread: somebody wants the pCPU to leave what it does and look around. */
  private volatile boolean called;

  private volatile Thread pcpu;

  /** The thread that does the services' work. */
  private volatile Thread services;

  /** Numbers that others have taken, and the last one seen; see above. */
  private final AtomicLong looksAsked = new AtomicLong();

  private long looksSeen;
  private volatile long looksDone;

  /** Pieces of work that services have been given and not finished. */
  private final AtomicInteger outstanding = new AtomicInteger();

  /** Time passes: between {@link #runUntil} and when it comes to the limit. */
  private volatile boolean passing;

  private volatile Stop stop = Stop.TIME;
  private volatile boolean closed;

  /** Who waits for the machine to stand still. */
  private volatile Thread driver;

  /**
   * A clock at time 0, which stands still.
   *
   * @param seed varies how long exits take, so that another seed gives another interleaving; 0 for
   *     the fixed time
   * @param wallClock the date at time 0
   */
  public VirtualClock(long seed, Instant wallClock) {
    noise = seed;
    this.wallClock = wallClock;
  }

  /** The date at time 0. */
  public Instant wallClock() {
    return wallClock;
  }

  /** The machine's timers. */
  public TimerQueue timers() {
    return timers;
  }

  // ---- PcpuClock

  @Override
  public long nanoTime() {
    CpuState runs = running;
    return runs == null ? nanos : offset + runs.retired * NANOS_PER_INSTRUCTION;
  }

  @Override
  public boolean isVirtual() {
    return true;
  }

  @Override
  public void idle(long deadlineNanos) {
    pcpu = Thread.currentThread();
    long asked = looksAsked.get();
    if (asked != looksSeen) {
      looksSeen = asked;
      return;
    }
    if (!isBlocked()) {
      long next = Math.min(deadlineNanos, timers.nextNanos());
      if (next < limit) {
        nanos = Math.max(nanos, next);
        timers.fire(nanos);
        return;
      }
      if (limit != Long.MAX_VALUE) {
        nanos = limit;
      } else {
        stand(Stop.NOTHING_TO_DO);
      }
    }
    rest(asked);
  }

  // ---- the pCPU's thread, in a slice

  /** A vCPU begins a slice. */
  public void begin(CpuState state) {
    offset = nanos - state.retired * NANOS_PER_INSTRUCTION;
    running = state;
  }

  /** The slice is over. */
  public void end() {
    nanos = nanoTime();
    running = null;
  }

  /**
   * Lets everything happen that is to happen now, and returns when the guest may go on.
   *
   * @return false if the vCPU has been called away meanwhile and has to look at its signals
   */
  public boolean arrive() {
    while (true) {
      if (isBlocked()) {
        pcpu = Thread.currentThread();
        long asked = looksAsked.get();
        if (called) {
          called = false;
          return false;
        }
        rest(asked);
      } else {
        long now = nanoTime();
        if (timers.nextNanos() > now) {
          return true;
        }
        timers.fire(now);
      }
    }
  }

  /**
   * How many instructions may retire before something is due.
   *
   * @param untilNanos when the vCPU itself has something to do
   */
  public long budget(long untilNanos) {
    long until = Math.min(Math.min(untilNanos, timers.nextNanos()), limit);
    long left = until - nanoTime();
    return Math.max(1, left / NANOS_PER_INSTRUCTION + (left % NANOS_PER_INSTRUCTION == 0 ? 0 : 1));
  }

  /** The guest has left guest mode. */
  public void exited() {
    offset += EXIT_NANOS;
    if (noise != 0) {
      noise ^= noise << 13; // Marsaglia's xorshift64
      noise ^= noise >>> 7;
      noise ^= noise << 17;
      offset += Math.floorMod(noise, EXIT_NANOS);
    }
  }

  /** A long hypercall has done a piece of its work. */
  public void worked() {
    offset += WORK_NANOS;
  }

  private boolean isBlocked() {
    return outstanding.get() != 0 || nanoTime() >= limit;
  }

  private void rest(long asked) {
    if (outstanding.get() == 0 && nanoTime() >= limit) {
      stand(Stop.TIME);
    }
    looksDone = asked;
    LockSupport.unpark(driver);
    LockSupport.park(this);
  }

  /** Time has come to where it stands still. */
  private void stand(Stop why) {
    if (passing) {
      if (stop == Stop.TIME) {
        stop = why;
      }
      limit = Long.MIN_VALUE;
      passing = false;
    }
  }

  // ---- services

  /** Says which thread does the services' work. */
  public void servedBy(Thread thread) {
    services = thread;
  }

  /** A service has been given something to do. Any thread, whose own work is not done yet. */
  public void workBegins() {
    outstanding.incrementAndGet();
  }

  /** A service has done something, all consequences included. */
  public void workEnds() {
    if (outstanding.decrementAndGet() == 0) {
      LockSupport.unpark(pcpu);
      LockSupport.unpark(driver);
    }
  }

  // ---- any thread

  /** Makes the pCPU's thread leave {@link #arrive}, or the next one return at once if it waits. */
  public void call() {
    called = true;
    LockSupport.unpark(pcpu);
  }

  /** A domain has shut down: time stands still, so that whoever drives the machine can see it. */
  public void domainEnded() {
    standStill(Stop.DOMAIN_ENDED);
  }

  /** As {@link dev.domus.kernel.plugin.VirtualTime#stop}. */
  public void stop() {
    standStill(Stop.ASKED);
  }

  private void standStill(Stop why) {
    if (passing) {
      stop = why;
      limit = Long.MIN_VALUE;
    }
  }

  // ---- whoever drives the machine

  /** As {@link dev.domus.kernel.plugin.VirtualTime#runUntil}. */
  public synchronized Stop runUntil(long nanos) {
    awaitRest();
    stop = Stop.TIME;
    passing = true;
    limit = nanos;
    driver = Thread.currentThread();
    looksAsked.incrementAndGet();
    LockSupport.unpark(pcpu);
    while (passing && !closed) {
      LockSupport.park(this);
    }
    awaitRest();
    return stop;
  }

  /** As {@link dev.domus.kernel.plugin.VirtualTime#settle}. */
  public void settle() {
    Thread self = Thread.currentThread();
    if (passing || closed || self == pcpu || self == services) {
      return;
    }
    synchronized (this) {
      awaitRest();
    }
  }

  private void awaitRest() {
    driver = Thread.currentThread();
    do {
      while (outstanding.get() != 0 && !closed) {
        LockSupport.park(this);
      }
      long asked = looksAsked.incrementAndGet();
      LockSupport.unpark(pcpu);
      while (looksDone < asked && !closed) {
        LockSupport.park(this);
      }
    } while (outstanding.get() != 0 && !closed);
  }

  /** The machine is being taken down: nobody waits for it any more. */
  public void close() {
    closed = true;
    LockSupport.unpark(driver);
  }
}
