package dev.domus.kernel.plugin;

import java.util.List;

/**
 * What the machine is to be.
 *
 * @param memoryBytes machine memory to reserve, a multiple of 4096; it is committed as it is
 *     touched
 * @param hugePages whether the host is asked for huge pages; a host that gives none is an error
 * @param pcpus number of pCPUs in the first pool, at least 1
 * @param pool name of the first pool
 * @param scheduler name of its scheduler
 * @param driverDomains service domains beside domain 0, and what runs in them
 */
public record MachineSpec(
    long memoryBytes,
    boolean hugePages,
    int pcpus,
    String pool,
    String scheduler,
    List<DriverDomainSpec> driverDomains) {
  /** Copies the list. */
  public MachineSpec {
    driverDomains = List.copyOf(driverDomains);
  }

  /** A machine whose services all run in domain 0. */
  public MachineSpec(
      long memoryBytes, boolean hugePages, int pcpus, String pool, String scheduler) {
    this(memoryBytes, hugePages, pcpus, pool, scheduler, List.of());
  }
}
