package dev.domus.kernel.service;

/** A domain whose code is Java: an identity under which a plugin acts. */
public interface ServiceDomain {
  /** The domain's id; domain 0 is the privileged one. */
  int domid();

  /** What people call it. */
  String name();

  /** Its hypercalls. */
  Hypercalls hypercalls();

  /** Where services find one another. */
  Services services();
}
