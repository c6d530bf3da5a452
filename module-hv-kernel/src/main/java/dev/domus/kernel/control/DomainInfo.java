package dev.domus.kernel.control;

import java.util.UUID;

/**
 * A domain as it is at one moment.
 *
 * @param domid its id
 * @param uuid its handle
 * @param state what it is doing
 * @param shutdownReason the reason that the guest gave, if it has shut down; otherwise −1
 * @param pages frames that it owns
 * @param maxPages how many it may own
 * @param vcpus number of vCPUs, up or down
 * @param onlineVcpus number of vCPUs that are up
 * @param pool the cpupool its vCPUs are in
 * @param weight scheduling weight
 * @param cap cap in percent of one pCPU, 0 for none
 * @param cpuNanos CPU time that its vCPUs have had, without what the host took from the pCPUs
 *     meanwhile
 * @param retired guest instructions that its vCPUs have retired
 * @param sharedInfoMfn frame of the shared info page
 * @param dmaFaults accesses of its devices to memory that were refused
 */
public record DomainInfo(
    int domid,
    UUID uuid,
    State state,
    int shutdownReason,
    long pages,
    long maxPages,
    int vcpus,
    int onlineVcpus,
    String pool,
    int weight,
    int cap,
    long cpuNanos,
    long retired,
    long sharedInfoMfn,
    long dmaFaults) {
  /** Of a domain whose devices were refused nothing. */
  public DomainInfo(
      int domid,
      UUID uuid,
      State state,
      int shutdownReason,
      long pages,
      long maxPages,
      int vcpus,
      int onlineVcpus,
      String pool,
      int weight,
      int cap,
      long cpuNanos,
      long retired,
      long sharedInfoMfn) {
    this(
        domid,
        uuid,
        state,
        shutdownReason,
        pages,
        maxPages,
        vcpus,
        onlineVcpus,
        pool,
        weight,
        cap,
        cpuNanos,
        retired,
        sharedInfoMfn,
        0);
  }

  /** Shutdown reason of sched_op (xen-pv-abi.md, 11.1). */
  public static final int POWEROFF = 0,
      REBOOT = 1,
      SUSPEND = 2,
      CRASH = 3,
      WATCHDOG = 4,
      SOFT_RESET = 5;

  /** Says whether a number is a shutdown reason. */
  public static boolean isReason(int reason) {
    return reason >= POWEROFF && reason <= SOFT_RESET;
  }

  /** What a domain is doing. */
  public enum State {
    /** Being built, or paused by the toolstack. */
    PAUSED,
    /** Some vCPU can run or waits for an event. */
    RUNNING,
    /** The guest has shut down or crashed; its memory is still there. */
    SHUTDOWN,
    /** Being destroyed. */
    DYING
  }
}
