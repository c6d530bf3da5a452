package dev.domus.kernel.access;

/**
 * Decides who may do what to whom. Called on the calling vCPU's thread in the midst of a hypercall,
 * before its first effect and with no lock held; so it answers at once, takes no lock, allocates
 * nothing and calls nobody back. Thread-safe.
 *
 * <p>Whatever it throws is a refusal. One that does not answer at all is interrupted after seconds
 * and loses its office: until another is set, domain 0 may do everything and others nothing that is
 * asked about.
 *
 * <p>What a domain does to its own page tables and within its own reservation is not asked about,
 * nor whether domain 0 may replace the policy.
 */
@FunctionalInterface
public interface AccessPolicy {
  /**
   * Decides.
   *
   * @param caller id of the domain that asks
   * @param target id of the domain that it is about; DOMID_XEN for the machine. It existed a moment
   *     ago.
   * @param detail as the operation says
   * @return whether it may be done
   */
  boolean permits(Operation operation, int caller, int target, long detail);
}
