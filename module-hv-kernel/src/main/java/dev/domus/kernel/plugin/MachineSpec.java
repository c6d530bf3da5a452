package dev.domus.kernel.plugin;

import java.util.Optional;

/**
 * What the machine is to be.
 *
 * @param memoryBytes machine memory to reserve, a multiple of 4096; it is committed as it is
 *     touched
 * @param hugePages whether the host is asked for huge pages; a host that gives none is an error
 * @param pcpus number of pCPUs in the first pool, at least 1
 * @param pool name of the first pool
 * @param scheduler name of its scheduler
 * @param deterministic present if time is to go by what guests do; then there is one pCPU
 */
public record MachineSpec(
    long memoryBytes,
    boolean hugePages,
    int pcpus,
    String pool,
    String scheduler,
    Optional<DeterministicMode> deterministic) {
  /** A machine in real time. */
  public MachineSpec(
      long memoryBytes, boolean hugePages, int pcpus, String pool, String scheduler) {
    this(memoryBytes, hugePages, pcpus, pool, scheduler, Optional.empty());
  }
}
