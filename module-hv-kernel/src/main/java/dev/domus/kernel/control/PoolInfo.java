package dev.domus.kernel.control;

import java.util.List;
import java.util.Map;

/**
 * A cpupool.
 *
 * @param id its number, which stays the same as long as it exists
 * @param name its name
 * @param scheduler name of the scheduler that decides there
 * @param parameters the scheduler's parameters
 * @param pcpus the numbers of its pCPUs, ascending; none in one that is new
 * @param granularity how many of them make a core, on which never two domains are at once; 1 where
 *     each is for itself
 * @param vcpus number of vCPUs
 * @param lastFault what made the pool fall back to the built-in round-robin, or empty
 */
public record PoolInfo(
    int id,
    String name,
    String scheduler,
    Map<String, String> parameters,
    List<Integer> pcpus,
    int granularity,
    int vcpus,
    String lastFault) {}
