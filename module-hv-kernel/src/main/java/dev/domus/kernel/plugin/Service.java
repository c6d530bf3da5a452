package dev.domus.kernel.plugin;

import dev.domus.kernel.service.ServiceDomain;
import org.pf4j.ExtensionPoint;

/**
 * Extension point: a service or backend that runs under a service domain's identity, domain 0's by
 * default.
 */
public interface Service extends ExtensionPoint {
  /** A name for messages. */
  String name();

  /**
   * Services with a lower number start first and stop last; xenstore is 0, what needs it is 10 and
   * up.
   */
  int order();

  /**
   * Says whether all of the service's work is done by {@link ServiceDomain#worker workers} and goes
   * by nothing that differs from run to run (the host's time, files, devices, chance), so that a
   * deterministic machine can have it. Such a machine leaves out those that say no.
   */
  default boolean repeatable() {
    return false;
  }

  /**
   * Says whether the service has to know when domains end. Where it runs in a driver domain, that
   * is told so by VIRQ_DOM_EXC instead of domain 0, and may ask about domains.
   */
  default boolean watchesDomains() {
    return false;
  }

  /**
   * Begins to serve. Publishes in {@link ServiceDomain#services} what others may use; returns at
   * once.
   */
  void start(ServiceDomain domain);

  /** Ends serving: closes ports, mappings and threads. */
  void stop();
}
