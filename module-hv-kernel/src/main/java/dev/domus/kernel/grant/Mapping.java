package dev.domus.kernel.grant;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What stands behind a grant handle. A mapping has a host part (a page-table entry), a device part,
 * or both; they can be unmapped one after the other, and each is given back once (XSA-224).
 *
 * <p>{@link #state} is 0 while the handle is free. Whoever unmaps makes the mapping {@link #BUSY}
 * by compare-and-set, so that of two vCPUs that unmap the same handle one finds it gone. The other
 * fields belong to the one who has made it busy, or to the one who is setting it up.
 */
final class Mapping {
  static final int HOST = 1, DEVICE = 2, READONLY = 4, CONTAINS_PTE = 8, BUSY = 16;

  private static final VarHandle STATE;

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(Mapping.class, "state", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  GrantTable granter;
  int ref;
  long mfn;

  /** While the handle is free: the next free one plus one, or 0. Belongs to {@link MapTrack}. */
  int nextFree;

  private volatile int state;

  /**
   * Makes the mapping live, or ends the claim on it: whoever finds the state finds the other fields
   * as they were left, and whoever finds the handle in the guest's memory finds the state. Nothing
   * is read after it on which a claim depends, so it needs no full fence.
   */
  void publish(int newState) {
    STATE.setRelease(this, newState);
    VarHandle.storeStoreFence();
  }

  /**
   * Takes the mapping for a change; returns its state, or 0 if it is not live or somebody else has
   * it.
   */
  int claim() {
    int seen = state;
    boolean claimed =
        seen != 0 && (seen & BUSY) == 0 && STATE.compareAndSet(this, seen, seen | BUSY);
    return claimed ? seen : 0;
  }

  /**
   * Ends the mapping, whoever has it, when nobody can use it any more; returns its state, 0 if it
   * was not live.
   */
  int end() {
    return (int) STATE.getAndSet(this, 0) & ~BUSY;
  }

  /** Says whether it maps something that nobody is unmapping. */
  boolean isLive() {
    int seen = state;
    return seen != 0 && (seen & BUSY) == 0;
  }

  boolean writable(int claimed) {
    return (claimed & READONLY) == 0;
  }
}
