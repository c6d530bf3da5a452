package dev.domus.toolstack.top;

import java.util.List;

/**
 * The machine's counters at one moment; two of them make a view.
 *
 * @param atNanos when, on a monotonic clock
 * @param domains by id
 */
public record TopSample(long atNanos, List<Domain> domains) {
  /**
   * A domain's counters.
   *
   * @param domid its id
   * @param name its name
   * @param state what it is doing
   * @param vcpus vCPUs that are up
   * @param pages frames that it owns
   * @param cpuNanos CPU time that it has had
   * @param retired instructions that it has retired
   * @param hypercalls hypercalls that it has made
   */
  public record Domain(
      int domid,
      String name,
      String state,
      int vcpus,
      long pages,
      long cpuNanos,
      long retired,
      long hypercalls) {}
}
