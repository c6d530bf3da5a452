package dev.domus.kernel.plugin;

import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.trace.Trace;
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

  /** Destroys all domains, stops services and pCPUs, and gives the memory back. */
  @Override
  void close();
}
