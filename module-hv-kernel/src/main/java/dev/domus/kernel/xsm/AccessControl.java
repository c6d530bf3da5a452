package dev.domus.kernel.xsm;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.access.Operation;
import java.lang.System.Logger.Level;
import java.util.List;

/**
 * The one gate through which every operation of a domain on another goes, and every privileged one.
 *
 * <p>It asks the policy in force, and counts and logs each refusal in a {@link DenialLog}. A
 * permission is given to the call that asked for it and is not remembered; whoever needs the target
 * again in a later call asks again.
 *
 * <p>Operations of a domain on its own page tables and memory are not asked about: they are the
 * bulk of all hypercalls, and nothing of anybody else's is reached by them. Nor is it asked whether
 * domain 0 may replace the policy: one that refuses everything could never be got rid of.
 *
 * <p>Policies that plugins wrote are asked through a {@link PolicyGuard}. One that hangs loses its
 * office: then domain 0 may do everything and others nothing, until another policy is set. That
 * fails closed, and leaves an operator the means to mend it.
 *
 * <p>Thread-safe. A permitted operation costs one call of the policy; only refusals take a lock.
 */
public final class AccessControl implements AutoCloseable {
  /** The name of the policy that holds where no other is set. */
  public static final String BUILT_IN = "default";

  /** Who holds office when a policy has lost it. */
  private static final AccessPolicy DOMAIN_0_ALONE =
      (operation, caller, target, detail) -> caller == 0;

  private final InForce builtIn;
  private final System.Logger out;
  private final DenialLog denials;
  private final Runnable beforeChange;
  private final PolicyGuard guard;
  private volatile InForce inForce;

  /**
   * A policy and whose it is.
   *
   * @param guarded whether a plugin wrote it
   */
  private record InForce(String name, AccessPolicy policy, boolean guarded) {}

  /**
   * Makes the gate with its first policy.
   *
   * @param builtIn the policy that holds where no other is set
   * @param beforeChange called before another policy comes into force
   */
  public AccessControl(AccessPolicy builtIn, Runnable beforeChange) {
    this(
        builtIn,
        beforeChange,
        System.getLogger(AccessControl.class.getName()),
        PolicyGuard.PATIENCE_NANOS);
  }

  AccessControl(
      AccessPolicy builtIn, Runnable beforeChange, System.Logger out, long patienceNanos) {
    this.out = out;
    this.denials = new DenialLog(out);
    this.builtIn = new InForce(BUILT_IN, builtIn, false);
    this.beforeChange = beforeChange;
    this.guard = new PolicyGuard(out, patienceNanos, this::depose);
    this.inForce = this.builtIn;
  }

  /**
   * Replaces the policy. Operations under way have been decided by the old one. Not to be called by
   * a vCPU's thread.
   *
   * @param name for messages
   */
  public void setPolicy(String name, AccessPolicy policy) {
    beforeChange.run();
    guard.start();
    change(new InForce(name, policy, true));
  }

  /** Puts the built-in policy in force again. Operations under way as above. */
  public void resetPolicy() {
    change(builtIn);
  }

  private synchronized void change(InForce next) {
    inForce = next;
  }

  private synchronized void depose(AccessPolicy hung) {
    InForce now = inForce;
    if (now.policy == hung) {
      inForce = new InForce("none, because " + now.name + " hung", DOMAIN_0_ALONE, false);
      out.log(
          Level.WARNING,
          "access policy {0} did not answer and is out of force; domain 0 may do everything and others nothing until another is set",
          now.name);
    }
  }

  /** The name of the policy in force. */
  public String policyName() {
    return inForce.name;
  }

  /** The policy that holds where no other is set. */
  public AccessPolicy builtIn() {
    return builtIn.policy;
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
    InForce now = inForce;
    boolean permitted =
        now.guarded
            ? operation == Operation.ACCESS_POLICY && caller == 0
                || guard.permits(now.policy, operation, caller, target, detail)
            : now.policy.permits(operation, caller, target, detail);
    if (permitted) {
      return 0;
    }
    denials.add(operation, caller, target, detail);
    return -Errno.EPERM;
  }

  /** How often an operation was refused. */
  public long refusals(Operation operation) {
    return denials.count(operation);
  }

  /** What was refused to whom, and how often; of each caller, and of callers, the last last. */
  public List<Denial> denials() {
    return denials.denials();
  }

  /** Ends the guard of policies. */
  @Override
  public void close() {
    guard.close();
  }
}
