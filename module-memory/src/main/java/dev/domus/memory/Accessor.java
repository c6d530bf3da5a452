package dev.domus.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * A thread that uses windows: which one it is accessing at this moment, for those who end windows
 * to see, and the free slots that it opens windows in. Found by {@link #mine}, or in a window's
 * slot if this thread opened it.
 *
 * <p>Only the thread writes {@code accessing}, with plain stores; {@link ProcessBarrier} says why
 * that is enough. Its field has cache lines of its own, because the thread stores to it twice an
 * access.
 */
final class Accessor extends AccessorFields {
  @SuppressWarnings("unused") // keeps the next object off the lines of the fields
  private long q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15;

  private static final VarHandle ACCESSING;

  static {
    try {
      ACCESSING =
          MethodHandles.lookup().findVarHandle(AccessorFields.class, "accessing", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final ThreadLocal<Accessor> MINE = ThreadLocal.withInitial(Accessor::register);
  private static final Object REGISTRATION = new Object();

  /** Every accessor whose thread may be in an access; replaced as a whole. */
  private static volatile Accessor[] all = {};

  private Accessor(Thread thread) {
    super(thread);
  }

  /** The calling thread's. */
  static Accessor mine() {
    return MINE.get();
  }

  private static Accessor register() {
    Accessor mine = new Accessor(Thread.currentThread());
    synchronized (REGISTRATION) {
      Accessor[] old = all;
      Accessor[] now = Arrays.copyOf(old, old.length + 1);
      int kept = 0;
      for (Accessor each : old) {
        if (each.thread.isAlive()) { // a dead thread is in no access
          now[kept++] = each;
        }
      }
      now[kept++] = mine;
      all = Arrays.copyOf(now, kept);
    }
    return mine;
  }

  /**
   * Says whether any thread is in an access to a slot, or about to find out that it is too late for
   * one. After a {@link ProcessBarrier#heavy} that came after the end of the slot's window.
   */
  static boolean anyIn(long slotId) {
    for (Accessor each : all) {
      if ((long) ACCESSING.getAcquire(each) == slotId) {
        return true;
      }
    }
    return false;
  }

  // ---- the thread's own

  boolean isMine() {
    return thread == Thread.currentThread();
  }

  /** Announces an access. What is read after that is read after others can see it. */
  void enter(long slotId) {
    ACCESSING.setOpaque(this, slotId);
    ProcessBarrier.light();
  }

  /** Ends the access. What was stored in it is seen by whoever sees its end. */
  void leave() {
    ACCESSING.setRelease(this, 0L);
    ProcessBarrier.light();
  }

  WindowSlot takeFree() {
    int n = frees;
    if (n == 0) {
      return new WindowSlot();
    }
    frees = n - 1;
    return free[n - 1];
  }

  /** Keeps a slot for the thread's next window, or leaves it to the garbage collector. */
  void keep(WindowSlot slot) {
    int n = frees;
    if (n < MAX_FREE) {
      free[n] = slot;
      frees = n + 1;
    }
  }
}

/** The fields of {@link Accessor}. */
abstract class AccessorFields extends AccessorPadding {
  static final int MAX_FREE = 64;

  final Thread thread;

  /** The slot that the thread is accessing, 0 if none. */
  long accessing;

  // The thread's own.
  final WindowSlot[] free = new WindowSlot[MAX_FREE];
  int frees;

  AccessorFields(Thread thread) {
    this.thread = thread;
  }
}

/** Two cache lines in front of the fields: a superclass's fields come first in an object. */
abstract class AccessorPadding {
  @SuppressWarnings("unused")
  private long p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15;
}
