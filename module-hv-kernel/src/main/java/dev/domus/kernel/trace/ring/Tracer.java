package dev.domus.kernel.trace.ring;

import dev.domus.kernel.trace.Trace;
import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.TraceSpec;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongSupplier;

/**
 * What the kernel calls where something happens that may be traced. One method a kind of record,
 * and one for each kind whose time has to be read before: it answers {@link #OFF} while the kind is
 * off, and that makes the other one do nothing.
 *
 * <h2>What it costs</h2>
 *
 * <p>Off: a load of {@link #mask}, a test, and a branch that is always taken the same way; no clock
 * is read, no buffer exists. A decision costs three stores besides, into its pCPU's {@link
 * DecisionLog}, which is kept always. On: a reading of the clock, four stores into the thread's own
 * buffer and two stores around them; no lock, no atomic operation, no allocation but the buffer
 * with a thread's first record. Threads that are not pCPUs' share buffers and pay a
 * compare-and-set.
 *
 * <h2>Who writes where</h2>
 *
 * <p>A {@link TracedThread} writes to its own ring, all others to the session's shared ones. The
 * order between rings is that of the times; {@link TraceEvent} says what it may be relied on for.
 * The mask is read opaquely: whoever turns tracing on or off is heard soon, and by nobody waited
 * for, so a few records may be missing at the beginning, or come after the end, of a session.
 *
 * <p>Thread-safe.
 */
public final class Tracer implements Trace {
  /** The time of what is not recorded. */
  public static final long OFF = Long.MIN_VALUE;

  private static final int WAKE = TraceEvent.WAKE.bit();
  private static final int ENQUEUE = TraceEvent.ENQUEUE.bit();
  private static final int PICK = TraceEvent.PICK.bit();
  private static final int SWITCH_IN = TraceEvent.SWITCH_IN.bit();
  private static final int SWITCH_OUT = TraceEvent.SWITCH_OUT.bit();
  private static final int BLOCK = TraceEvent.BLOCK.bit();
  private static final int MIGRATE = TraceEvent.MIGRATE.bit();
  private static final int SWAP = TraceEvent.SWAP.bit();
  private static final int SCHED_FAULT = TraceEvent.SCHED_FAULT.bit();
  private static final int HYPERCALL = TraceEvent.HYPERCALL.bit();
  private static final int EVENT = TraceEvent.EVENT.bit();
  private static final int GRANT = TraceEvent.GRANT.bit();
  private static final int FAULT = TraceEvent.FAULT.bit();

  /** How many falls of schedulers are kept. */
  private static final int MOST_FALLS = 64;

  private static final VarHandle MASK;

  static {
    try {
      MASK = MethodHandles.lookup().findVarHandle(Tracer.class, "mask", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final LongSupplier clock;

  /** A bit for each kind that is on. */
  @SuppressWarnings("unused") // by MASK
  private int mask;

  private volatile TraceSession session;

  /** By pCPU. Guarded by itself. */
  private final Map<Integer, DecisionLog> decisions = new TreeMap<>();

  /** Guarded by itself. */
  private final Deque<Fall> falls = new ArrayDeque<>();

  // Guarded by names.
  private final List<String> names = new ArrayList<>();
  private final Map<String, Integer> numbers = new HashMap<>();

  /** Makes one that is off, with the clock of its records. */
  public Tracer(LongSupplier clock) {
    this.clock = clock;
  }

  // ---- on and off

  @Override
  public synchronized Session start(TraceSpec spec) {
    if (session != null) {
      throw new IllegalStateException("tracing has been started already: spec=" + session.spec());
    }
    TraceSession started = new TraceSession(this, spec, clock.getAsLong());
    session = started;
    int bits = 0;
    for (TraceEvent event : spec.events()) {
      bits |= event.bit();
    }
    MASK.setVolatile(this, bits);
    return started;
  }

  synchronized void stop(TraceSession ended) {
    if (session == ended) {
      MASK.setVolatile(this, 0);
      session = null;
    }
  }

  @Override
  public long nanoTime() {
    return clock.getAsLong();
  }

  @Override
  public List<String> names() {
    synchronized (names) {
      return List.copyOf(names);
    }
  }

  private int number(String name) {
    synchronized (names) {
      return numbers.computeIfAbsent(
          name,
          key -> {
            names.add(key);
            return names.size() - 1;
          });
    }
  }

  private boolean on(int bit) {
    return ((int) MASK.getOpaque(this) & bit) != 0;
  }

  private long timeIf(int bit) {
    return on(bit) ? clock.getAsLong() : OFF;
  }

  // ---- scheduling

  /** The time of a wake-up that may be about to happen, before the vCPU can run for it. */
  public long beforeWake() {
    return timeIf(WAKE);
  }

  /** A blocked vCPU was woken. */
  public void wake(long at, int domid, int vcpu) {
    if (at != OFF) {
      write(TraceEvent.WAKE.code(), at, 0, domid, vcpu, currentVcpu(), 0);
    }
  }

  /** The scheduler was told that a vCPU is runnable. */
  public void enqueue(int domid, int vcpu) {
    if (Thread.currentThread() instanceof TracedThread thread) {
      thread.decisions(this).wake(domid, vcpu);
    }
    if (on(ENQUEUE)) {
      write(TraceEvent.ENQUEUE.code(), clock.getAsLong(), 0, domid, vcpu, 0, 0);
    }
  }

  /** A vCPU is not runnable any more. */
  public void block(int domid, int vcpu, int runstate, long at) {
    if (on(BLOCK)) {
      write(TraceEvent.BLOCK.code(), at, runstate, domid, vcpu, 0, 0);
    }
  }

  /** When a decision begins. */
  public long beforePick() {
    return timeIf(PICK);
  }

  /** The scheduler has picked a vCPU. */
  public void pick(long began, int domid, int vcpu, long sliceNanos) {
    if (Thread.currentThread() instanceof TracedThread thread) {
      thread.decisions(this).pick(domid, vcpu, sliceNanos);
    }
    if (began != OFF) {
      long now = clock.getAsLong();
      write(TraceEvent.PICK.code(), now, 0, domid, vcpu, sliceNanos, now - began);
    }
  }

  /** The scheduler had nothing to run. */
  public void pickIdle(long began) {
    pick(began, TraceRecord.IDLE, 0, 0);
  }

  /** A vCPU was picked by a pCPU; its last one was {@code from}, or negative. */
  public void migrate(int domid, int vcpu, int from, int to) {
    if (on(MIGRATE) && from >= 0 && from != to) {
      write(TraceEvent.MIGRATE.code(), clock.getAsLong(), 0, domid, vcpu, from, 0);
    }
  }

  /** A vCPU begins to run. */
  public void switchIn(int domid, int vcpu, long sliceNanos) {
    if (on(SWITCH_IN)) {
      write(TraceEvent.SWITCH_IN.code(), clock.getAsLong(), 0, domid, vcpu, sliceNanos, 0);
    }
  }

  /** A vCPU has come off its pCPU. */
  public void switchOut(int domid, int vcpu, int reason, int runstate, long ranNanos, long at) {
    if (Thread.currentThread() instanceof TracedThread thread) {
      thread.decisions(this).put(reason, domid, vcpu, ranNanos);
    }
    if (on(SWITCH_OUT)) {
      write(TraceEvent.SWITCH_OUT.code(), at, reason, domid, vcpu, ranNanos, runstate);
    }
  }

  /** A swap is over. */
  public void swap(boolean swapped, String from, String to, long heldNanos) {
    if (on(SWAP)) {
      long which = TraceRecord.pair(number(from), number(to));
      int detail = swapped ? 1 : 0;
      write(
          TraceEvent.SWAP.code(), clock.getAsLong(), detail, TraceRecord.IDLE, 0, which, heldNanos);
    }
  }

  /** A scheduler was put off its pool. With the lock of its run queue. */
  public void schedFault(int kind, String pool, String scheduler) {
    Fall fall = new Fall(pool, scheduler, lastDecisions());
    synchronized (falls) {
      if (falls.size() == MOST_FALLS) {
        falls.removeFirst();
      }
      falls.add(fall);
    }
    if (on(SCHED_FAULT)) {
      long which = TraceRecord.pair(number(pool), number(scheduler));
      write(TraceEvent.SCHED_FAULT.code(), clock.getAsLong(), kind, TraceRecord.IDLE, 0, which, 0);
    }
  }

  /** The last falls of schedulers, oldest first. */
  public List<Fall> falls() {
    synchronized (falls) {
      return List.copyOf(falls);
    }
  }

  private Map<Integer, List<String>> lastDecisions() {
    Map<Integer, List<String>> lines = new TreeMap<>();
    synchronized (decisions) {
      decisions.forEach((pcpu, log) -> lines.put(pcpu, log.lines()));
    }
    return lines;
  }

  /** The log of a pCPU: the same for all threads that are it, one after the other. */
  DecisionLog decisionsOf(int pcpu) {
    synchronized (decisions) {
      return decisions.computeIfAbsent(pcpu, number -> new DecisionLog());
    }
  }

  // ---- guests

  /** When a hypercall begins. */
  public long beforeHypercall() {
    return timeIf(HYPERCALL);
  }

  /** A hypercall has returned. */
  public void hypercall(long began, int domid, int vcpu, int number, int command, long result) {
    if (began != OFF) {
      long now = clock.getAsLong();
      long took = Math.clamp(now - began, 0, 0xFFFFFFFFL);
      long what = TraceRecord.pair(number, (int) took);
      write(TraceEvent.HYPERCALL.code(), now, command, domid, vcpu, what, result);
    }
  }

  /** A port of a domain was made pending. */
  public void event(int domid, int vcpu, int port) {
    if (on(EVENT)) {
      write(TraceEvent.EVENT.code(), clock.getAsLong(), 0, domid, vcpu, port, currentVcpu());
    }
  }

  /** A grant was used, or a mapping ended. */
  public void grant(int command, int domid, int vcpu, int granter, int reference, int status) {
    if (on(GRANT)) {
      long which = TraceRecord.pair(granter, reference);
      write(TraceEvent.GRANT.code(), clock.getAsLong(), command, domid, vcpu, which, status);
    }
  }

  /** A vCPU left guest mode by an exception. */
  public void fault(int domid, int vcpu, int vector, long address, int errorCode) {
    if (on(FAULT)) {
      write(TraceEvent.FAULT.code(), clock.getAsLong(), vector, domid, vcpu, address, errorCode);
    }
  }

  // ---- writing

  private static int currentVcpu() {
    return Thread.currentThread() instanceof TracedThread thread ? thread.currentVcpu() : -1;
  }

  private void write(int code, long time, int detail, int domid, int vcpu, long a, long b) {
    TraceSession current = session;
    if (current == null) {
      return; // ended this very moment
    }
    if (Thread.currentThread() instanceof TracedThread thread) {
      long head = TraceRecord.head(code, detail, domid, vcpu, thread.pcpu());
      thread.ring(current).write(time, head, a, b);
    } else {
      long head = TraceRecord.head(code, detail, domid, vcpu, TraceRecord.NO_PCPU);
      current.writeShared(time, head, a, b);
    }
    if (current.spec().flightRecorder()) {
      FlightEvents.commit(code, detail, domid, vcpu, a, b);
    }
  }
}
