package dev.domus.kernel.dispatch;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Units whose state has changed and of which the scheduler has not been told: a lock-free stack
 * linked through the units, so that a wake-up allocates nothing. A unit is in it at most once
 * ({@link DispatchUnit#markDirty}). Any thread pushes; the holder of the pool's lock takes
 * everything at once, which is why the stack has no ABA problem.
 */
final class Mailbox {
  private static final VarHandle HEAD;

  static {
    try {
      HEAD = MethodHandles.lookup().findVarHandle(Mailbox.class, "head", DispatchUnit.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private volatile DispatchUnit head;

  /** Adds a unit; true if the mailbox was empty: then somebody must be made to look into it. */
  boolean push(DispatchUnit unit) {
    for (; ; ) {
      DispatchUnit h = head;
      unit.nextDirty = h;
      if (HEAD.compareAndSet(this, h, unit)) {
        return h == null;
      }
    }
  }

  boolean isEmpty() {
    return head == null;
  }

  /** Takes all, linked by {@link DispatchUnit#nextDirty}, the first pushed first; or null. */
  DispatchUnit takeAll() {
    if (head == null) {
      return null;
    }
    DispatchUnit rest = (DispatchUnit) HEAD.getAndSet(this, null);
    DispatchUnit first = null;
    while (rest != null) {
      DispatchUnit next = rest.nextDirty;
      rest.nextDirty = first;
      first = rest;
      rest = next;
    }
    return first;
  }
}
