package dev.domus.kernel.dispatch;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

/**
 * The lock of a pool, which can be taken away from a holder that is stuck in plugin code.
 *
 * <p>No thread can be stopped in Java, so a scheduler that hangs keeps its thread, and an ordinary
 * lock with it. This one knows when its holder is inside a call into a plugin: {@link #enterCall}
 * makes {@code call} odd, {@link #leaveCall} makes it even again by compare-and-set. The watchdog
 * may {@link #abandon} a lock by the same compare-and-set on an odd value. Exactly one of the two
 * wins: either the holder came back and goes on, or the watchdog owns everything that the lock
 * guarded, all of it in the consistent state in which the kernel enters plugin code, and the holder
 * gets {@link Abandoned} when it comes back, if ever. An abandoned lock is never free again; its
 * waiters give up and take the pool's new one.
 *
 * <p>Critical sections are shorter than a microsecond, so waiters spin, then yield, then sleep for
 * short times (the holder may have lost its host CPU). Nothing is allocated. Not reentrant, not
 * fair: pCPUs come here once a slice.
 */
final class PoolLock {
  /** Thrown into a thread whose lock was taken away: it ends, and touches nothing on its way. */
  @SuppressWarnings("serial") // never serialized
  static final class Abandoned extends Error {
    private static final Abandoned INSTANCE = new Abandoned();

    private Abandoned() {
      super("the pool's lock was taken away from this thread", null, false, false);
    }
  }

  private static final int SPINS = 200;
  private static final int YIELDS = 50;
  private static final long NAP_NANOS = 20_000;
  private static final long ABANDONED = -1;

  private static final VarHandle OWNER;
  private static final VarHandle CALL;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      OWNER = lookup.findVarHandle(PoolLock.class, "owner", Thread.class);
      CALL = lookup.findVarHandle(PoolLock.class, "call", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private volatile Thread owner;
  private volatile long call;
  private volatile boolean abandoned;

  /** A free lock. */
  PoolLock() {}

  /** A lock that a thread already holds. */
  PoolLock(Thread holder) {
    owner = holder;
  }

  /** Takes the lock; false if it was abandoned. */
  boolean acquire() {
    Thread me = Thread.currentThread();
    for (int i = 0; ; i++) {
      if (owner == null && OWNER.compareAndSet(this, null, me)) {
        return true;
      }
      if (abandoned) {
        return false;
      }
      if (i < SPINS) {
        Thread.onSpinWait();
      } else if (i < SPINS + YIELDS) {
        Thread.yield();
      } else {
        LockSupport.parkNanos(this, NAP_NANOS);
      }
    }
  }

  /** Takes the lock if it is free now. */
  boolean tryAcquire() {
    return owner == null && OWNER.compareAndSet(this, null, Thread.currentThread());
  }

  void release() {
    OWNER.setRelease(this, null);
  }

  boolean heldByCurrentThread() {
    return owner == Thread.currentThread() && call != ABANDONED;
  }

  /** The holder, or null. */
  Thread owner() {
    return owner;
  }

  /** By the holder: plugin code follows, and all that the lock guards is consistent. */
  void enterCall() {
    call = call + 1;
  }

  /** By the holder: the plugin has returned. Throws {@link Abandoned} if that was too late. */
  void leaveCall() {
    long c = call;
    if (c == ABANDONED || !CALL.compareAndSet(this, c, c + 1)) {
      throw Abandoned.INSTANCE;
    }
  }

  /** A number that identifies the call in progress, or 0 if none is. */
  long callInProgress() {
    long c = call;
    return (c & 1) == 1 && c != ABANDONED ? c : 0;
  }

  /** By the watchdog: takes the lock away if the call is still in progress. */
  boolean abandon(long callInProgress) {
    return CALL.compareAndSet(this, callInProgress, ABANDONED);
  }

  /** Second half of {@link #abandon}, after the pool has its new lock: sends the waiters there. */
  void sendWaitersAway() {
    abandoned = true;
  }
}
