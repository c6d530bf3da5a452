package dev.domus.kernel.plugin;

import dev.domus.kernel.service.ServiceDomain;

/** A running machine. Thread-safe. */
public interface Machine extends AutoCloseable {
  /** Domain 0. Its services have been started. */
  ServiceDomain domain0();

  /** Destroys all domains, stops services and pCPUs, and gives the memory back. */
  @Override
  void close();
}
