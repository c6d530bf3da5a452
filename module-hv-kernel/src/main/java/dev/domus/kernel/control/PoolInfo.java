package dev.domus.kernel.control;

/**
 * A cpupool.
 *
 * @param name its name
 * @param scheduler name of the scheduler that decides there
 * @param pcpus number of pCPUs
 * @param vcpus number of vCPUs
 * @param lastFault what made the pool fall back to the built-in round-robin, or empty
 */
public record PoolInfo(String name, String scheduler, int pcpus, int vcpus, String lastFault) {}
