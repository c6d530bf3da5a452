package dev.domus.kernel.plugin;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the machine is to be.
 *
 * @param memoryBytes machine memory to reserve, a multiple of 4096; it is committed as it is
 *     touched
 * @param hugePages whether the host is asked for huge pages; a host that gives none is an error
 * @param pcpus number of pCPUs in the first pool, at least 1
 * @param granularity how many pCPUs of it make a core, on which never two domains are at once; 1
 *     for none, else a divisor of {@code pcpus}
 * @param pool name of the first pool
 * @param scheduler name of its scheduler
 * @param schedulerParameters what is given for the scheduler, name to text; the rest is its default
 * @param deterministic present if time is to go by what guests do; then there is one pCPU
 * @param driverDomains service domains beside domain 0, and what runs in them
 * @param devices what is on its PCI bus, nobody's at first
 * @param passThrough whether domain 0 may let a device of its own reach all of the machine's memory
 */
public record MachineSpec(
    long memoryBytes,
    boolean hugePages,
    int pcpus,
    int granularity,
    String pool,
    String scheduler,
    Map<String, String> schedulerParameters,
    Optional<DeterministicMode> deterministic,
    List<DriverDomainSpec> driverDomains,
    List<DeviceSpec> devices,
    boolean passThrough) {
  /** Copies what is given. */
  public MachineSpec {
    schedulerParameters = Map.copyOf(schedulerParameters);
    driverDomains = List.copyOf(driverDomains);
    devices = List.copyOf(devices);
  }

  /** A machine without devices. */
  public MachineSpec(
      long memoryBytes,
      boolean hugePages,
      int pcpus,
      int granularity,
      String pool,
      String scheduler,
      Map<String, String> schedulerParameters,
      Optional<DeterministicMode> deterministic,
      List<DriverDomainSpec> driverDomains) {
    this(
        memoryBytes,
        hugePages,
        pcpus,
        granularity,
        pool,
        scheduler,
        schedulerParameters,
        deterministic,
        driverDomains,
        List.of(),
        false);
  }

  /**
   * A machine in real time, without cores, whose scheduler has its default parameters and whose
   * services all run in domain 0.
   */
  public MachineSpec(
      long memoryBytes, boolean hugePages, int pcpus, String pool, String scheduler) {
    this(memoryBytes, hugePages, pcpus, 1, pool, scheduler, Map.of(), Optional.empty(), List.of());
  }
}
