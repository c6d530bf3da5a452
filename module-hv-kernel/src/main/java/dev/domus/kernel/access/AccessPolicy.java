package dev.domus.kernel.access;

/**
 * Decides who may do what to whom. Called on the calling vCPU's thread in the midst of a hypercall,
 * before its first effect and with no lock held; so it answers at once, takes no lock, allocates
 * nothing and calls nobody back. Thread-safe. An exception is a refusal.
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
