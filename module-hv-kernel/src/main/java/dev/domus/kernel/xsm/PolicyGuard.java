package dev.domus.kernel.xsm;

import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.host.Faults;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * Asks policies that plugins wrote, so that whatever they do is an answer: what they throw is a
 * refusal, and who does not answer is interrupted, refused, and reported.
 *
 * <p>A policy runs on the thread of the vCPU that asks, because to ask another thread would cost as
 * much as the operation. So one that hangs holds that vCPU's pCPU, which a thread of the guard's
 * own finds out by looking at all calls under way several times a second. Java cannot stop a
 * thread: a policy that also ignores the interrupt keeps the pCPU. The patience is long, because
 * the host may take a pCPU's thread off its processor in the midst of an honest answer.
 *
 * <h2>The interrupt</h2>
 *
 * <p>An interrupt that comes when the answer is just there would hit whatever the pCPU does next.
 * So a call is a state machine: {@code IDLE → RUNNING} by the caller, then either {@code → IDLE} by
 * the caller, or {@code → INTERRUPTING → GIVEN_UP} by the guard, in which case the caller waits for
 * the second, takes the interrupt back, and goes to {@code IDLE}. Somebody else's interrupt in that
 * very moment is lost with it; those who interrupt pCPUs look again.
 */
final class PolicyGuard implements AutoCloseable {
  /** How long a policy may take. */
  static final long PATIENCE_NANOS = 2_000_000_000L;

  private static final int LOOKS_WITHIN_PATIENCE = 8;
  private static final int IDLE = 0, RUNNING = 1, INTERRUPTING = 2, GIVEN_UP = 3;

  private final System.Logger out;
  private final long patienceNanos;
  private final Consumer<AccessPolicy> hung;
  private final List<Call> calls = new CopyOnWriteArrayList<>();
  private final ThreadLocal<Call> own = ThreadLocal.withInitial(this::newCall);
  private final AtomicLong faults = new AtomicLong();
  private Thread looking;
  private volatile boolean closed;

  /**
   * Makes a guard, which starts its thread when it is first needed.
   *
   * @param out the log
   * @param patienceNanos how long a policy may take
   * @param hung hears of a policy that took longer, on the guard's thread
   */
  PolicyGuard(System.Logger out, long patienceNanos, Consumer<AccessPolicy> hung) {
    this.out = out;
    this.patienceNanos = patienceNanos;
    this.hung = hung;
  }

  /** The call that one thread has under way, or had. */
  private static final class Call {
    final Thread thread = Thread.currentThread();
    final AtomicInteger state = new AtomicInteger();
    volatile AccessPolicy asked;
    volatile long sinceNanos;
  }

  private Call newCall() {
    Call call = new Call();
    calls.add(call);
    return call;
  }

  /** Begins to look after calls. Idempotent. */
  synchronized void start() {
    if (looking == null) {
      looking = new Thread(this::look, "access-policy-guard");
      looking.setDaemon(true);
      looking.start();
    }
  }

  /** What the policy answers in time, else false. */
  boolean permits(AccessPolicy policy, Operation operation, int caller, int target, long detail) {
    Call call = own.get();
    call.asked = policy;
    call.sinceNanos = System.nanoTime();
    call.state.set(RUNNING);
    boolean permitted = false;
    Throwable fault = null;
    try {
      permitted = policy.permits(operation, caller, target, detail);
    } catch (Throwable thrown) { // a plugin's, of any kind
      fault = thrown;
    }
    boolean late = leave(call);
    if (fault != null) {
      Faults.rethrowIfOurs(fault);
      long count = faults.incrementAndGet();
      if (!late && Long.bitCount(count) == 1) { // a guest may have it fail as often as it likes
        out.log(
            Level.WARNING,
            "access policy failed, which refuses: operation={0} fault={1} at {2}, failure={3}",
            operation,
            Faults.inOneLine(fault),
            Faults.place(fault),
            count);
      }
    }
    return permitted && !late;
  }

  /** Ends a call; says whether it was given up. */
  private static boolean leave(Call call) {
    boolean late = !call.state.compareAndSet(RUNNING, IDLE);
    if (late) {
      while (call.state.get() == INTERRUPTING) {
        Thread.onSpinWait();
      }
      Thread.interrupted();
      call.state.set(IDLE);
    }
    call.asked = null; // or a plugin that is unloaded could not go
    return late;
  }

  private void look() {
    while (!closed) {
      LockSupport.parkNanos(this, patienceNanos / LOOKS_WITHIN_PATIENCE);
      calls.removeIf(call -> !call.thread.isAlive());
      for (Call call : calls) {
        long since = call.sinceNanos;
        AccessPolicy asked = call.asked;
        if (call.state.get() == RUNNING
            && System.nanoTime() - since > patienceNanos
            && call.sinceNanos == since
            && call.state.compareAndSet(RUNNING, INTERRUPTING)) {
          call.thread.interrupt();
          call.state.set(GIVEN_UP);
          hung.accept(asked);
        }
      }
    }
  }

  /** Ends the guard's thread. */
  @Override
  public synchronized void close() {
    closed = true;
    if (looking != null) {
      LockSupport.unpark(looking);
    }
  }
}
