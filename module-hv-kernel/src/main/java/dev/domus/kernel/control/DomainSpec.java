package dev.domus.kernel.control;

import java.util.UUID;

/**
 * What a new domain is to be.
 *
 * @param uuid its handle, as XENVER_guest_handle tells the guest
 * @param maxPages limit of its memory in 4 KiB frames, at least 1
 * @param vcpus number of vCPUs, 1 to 128; all but vCPU 0 are down until the guest brings them up
 * @param engine name of the engine that runs them
 * @param pool name of the cpupool that they join
 * @param weight scheduling weight, 1 to 65535; 256 is usual
 * @param cap upper bound of CPU time in percent of one pCPU, 0 for none
 * @param privileged whether it may act on other domains and on the machine as domain 0 may, by
 *     hypercall
 */
public record DomainSpec(
    UUID uuid,
    long maxPages,
    int vcpus,
    String engine,
    String pool,
    int weight,
    int cap,
    boolean privileged) {}
