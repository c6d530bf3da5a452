package dev.domus.kernel.access;

import dev.domus.kernel.abi.Errno;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * The one gate through which every operation of a domain on another goes, and every privileged one.
 *
 * <p>It asks the policy, counts each refusal by operation, keeps the last {@value #KEPT} and logs
 * those whose count reaches a power of two, so that a guest that asks for ever fills no log. A
 * permission is given to the call that asked for it and is not remembered; whoever needs the target
 * again in a later call asks again.
 *
 * <p>Operations of a domain on its own page tables and memory are not asked about: they are the
 * bulk of all hypercalls, and nothing of anybody else's is reached by them.
 *
 * <p>Thread-safe. A permitted operation costs one call of the policy; only refusals take a lock.
 */
public final class AccessControl {
  private static final System.Logger LOG = System.getLogger(AccessControl.class.getName());
  private static final Operation[] OPERATIONS = Operation.values();
  private static final int KEPT = 64;

  private final AtomicLongArray refused = new AtomicLongArray(OPERATIONS.length);
  private final Denial[] last = new Denial[KEPT];
  private long kept;
  private final Runnable beforeChange;
  private volatile AccessPolicy policy;

  /**
   * Makes the gate with its first policy.
   *
   * @param beforeChange called before another policy comes into force
   */
  public AccessControl(AccessPolicy policy, Runnable beforeChange) {
    this.policy = policy;
    this.beforeChange = beforeChange;
  }

  /**
   * Replaces the policy. Operations under way have been decided by the old one. Not to be called by
   * a vCPU's thread.
   */
  public void setPolicy(AccessPolicy newPolicy) {
    beforeChange.run();
    policy = newPolicy;
  }

  /** The policy. */
  public AccessPolicy policy() {
    return policy;
  }

  /**
   * Asks whether an operation may be done.
   *
   * @param caller id of the domain that asks
   * @param target id of the domain that it is about, which the caller has found to exist; DOMID_XEN
   *     for the machine
   * @param detail as the operation says
   * @return 0, or −EPERM
   */
  public int check(Operation operation, int caller, int target, long detail) {
    boolean permitted = false;
    try {
      permitted = policy.permits(operation, caller, target, detail);
    } catch (RuntimeException | LinkageError | StackOverflowError broken) { // a plugin's
      LOG.log(Level.WARNING, "access policy failed, which refuses: operation=" + operation, broken);
    }
    if (permitted) {
      return 0;
    }
    refuse(operation, caller, target, detail);
    return -Errno.EPERM;
  }

  private void refuse(Operation operation, int caller, int target, long detail) {
    Denial denial = new Denial(operation, caller, target, detail);
    synchronized (last) {
      last[(int) (kept++ % KEPT)] = denial;
    }
    long count = refused.incrementAndGet(operation.ordinal());
    if (Long.bitCount(count) == 1) {
      LOG.log(Level.INFO, "{0}, refusal={1}", denial, count);
    }
  }

  /** How often an operation was refused. */
  public long refusals(Operation operation) {
    return refused.get(operation.ordinal());
  }

  /** The last refusals, oldest first. */
  public List<Denial> denials() {
    List<Denial> denials = new ArrayList<>();
    synchronized (last) {
      for (long i = Math.max(0, kept - KEPT); i < kept; i++) {
        denials.add(last[(int) (i % KEPT)]);
      }
    }
    return denials;
  }
}
