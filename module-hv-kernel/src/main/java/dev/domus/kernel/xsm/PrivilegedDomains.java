package dev.domus.kernel.xsm;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.Operation;
import java.util.function.IntPredicate;

/**
 * The policy that holds where no other is set: a privileged domain may do everything to everybody,
 * any other only to itself, and to itself only what takes no privilege.
 */
public final class PrivilegedDomains implements AccessPolicy {
  private final IntPredicate isPrivileged;
  private final IntPredicate hearsOfEnds;

  /**
   * Makes the policy.
   *
   * @param isPrivileged says of a domain id whether the domain is privileged; thread-safe, takes no
   *     lock
   * @param hearsOfEnds says whether it is told that domains end, by VIRQ_DOM_EXC, and so may ask
   *     which: a domain that serves xenstore has to; likewise
   */
  public PrivilegedDomains(IntPredicate isPrivileged, IntPredicate hearsOfEnds) {
    this.isPrivileged = isPrivileged;
    this.hearsOfEnds = hearsOfEnds;
  }

  @Override
  public boolean permits(Operation operation, int caller, int target, long detail) {
    return caller == target && operation.ownIsFree()
        || isPrivileged.test(caller)
        || operation == Operation.DOMCTL
            && detail == DomctlLayout.GET_DOMAIN_INFO
            && hearsOfEnds.test(caller);
  }
}
