package dev.domus.kernel.plugin;

import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.trace.Trace;
import java.util.List;
import java.util.Optional;

/** A running machine. Thread-safe. */
public interface Machine extends AutoCloseable {
  /** Domain 0. Its services have been started. */
  ServiceDomain domain0();

  /** The trace of what happens on it, off at first. */
  Trace trace();

  /** Its time, if it is deterministic; such a machine stands still until somebody drives it. */
  default Optional<VirtualTime> virtualTime() {
    return Optional.empty();
  }

  /** The driver domains that have not ended, in the order in which they were asked for. */
  List<ServiceDomain> driverDomains();

  /** The domain in which a service runs, or nothing if it does not run. */
  Optional<ServiceDomain> domainOf(String service);

  /** Destroys all domains, stops services and pCPUs, and gives the memory back. */
  @Override
  void close();
}
