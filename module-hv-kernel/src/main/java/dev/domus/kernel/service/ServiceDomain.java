package dev.domus.kernel.service;

/** A domain whose code is Java: an identity under which a plugin acts. */
public interface ServiceDomain {
  /** The domain's id; domain 0 is the privileged one. */
  int domid();

  /** What people call it. */
  String name();

  /** Its hypercalls. */
  Hypercalls hypercalls();

  /**
   * Makes a worker for a service's tasks; the service closes it.
   *
   * @param name for its thread
   */
  Worker worker(String name);

  /** Where services find one another. */
  Services services();
}
