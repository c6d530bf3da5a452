package dev.domus.kernel.plugin;

import java.util.List;

/**
 * A driver domain: an unprivileged service domain in which some services run instead of in domain
 * 0.
 *
 * @param name what people call it, unique on the machine
 * @param services names of the services ({@link Service#name}); each runs in one domain
 */
public record DriverDomainSpec(String name, List<String> services) {
  /** Copies the list. */
  public DriverDomainSpec {
    services = List.copyOf(services);
  }
}
