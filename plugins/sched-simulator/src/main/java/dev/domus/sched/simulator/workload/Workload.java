package dev.domus.sched.simulator.workload;

import dev.domus.kernel.sched.CpuMask;
import java.util.Map;

/**
 * Some equal domains.
 *
 * @param name for people; unique in a simulation
 * @param behaviour what their vCPUs do
 * @param weight of each vCPU, as in {@link dev.domus.kernel.sched.SchedUnit}
 * @param cap of each domain
 * @param affinity the pCPUs that they may run on
 * @param softAffinity the pCPUs that they had better run on
 * @param domains how many there are
 * @param vcpus how many each has
 * @param parameters unit parameters as the user wrote them, by scheduler
 */
public record Workload(
    String name,
    Behaviour behaviour,
    int weight,
    int cap,
    CpuMask affinity,
    CpuMask softAffinity,
    int domains,
    int vcpus,
    Map<String, Map<String, String>> parameters) {
  /** Copies the map. */
  public Workload {
    parameters = Map.copyOf(parameters);
  }

  /** All vCPUs. */
  public int totalVcpus() {
    return domains * vcpus;
  }

  /** The same under another name. */
  public Workload withName(String newName) {
    return new Workload(
        newName, behaviour, weight, cap, affinity, softAffinity, domains, vcpus, parameters);
  }

  /** The same with another number of domains. */
  public Workload withDomains(int newDomains) {
    return new Workload(
        name, behaviour, weight, cap, affinity, softAffinity, newDomains, vcpus, parameters);
  }

  /** The same with another number of vCPUs in each domain. */
  public Workload withVcpus(int newVcpus) {
    return new Workload(
        name, behaviour, weight, cap, affinity, softAffinity, domains, newVcpus, parameters);
  }
}
