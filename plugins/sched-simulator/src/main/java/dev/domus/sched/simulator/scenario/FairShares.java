package dev.domus.sched.simulator.scenario;

import dev.domus.sched.simulator.workload.Workload;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Who should have had what: weighted max-min fairness (generalized processor sharing; A. Parekh, R.
 * Gallager, 1993), as a fluid.
 *
 * <p>It is about those who always want more. What they got together is divided anew: by weight,
 * nobody more than one pCPU, or than the domain's cap, or than the pCPUs that the affinity allows;
 * what somebody cannot use goes to the others by weight. So a scheduler is not blamed here for time
 * that others used or that switches cost, only for how the rest was divided. Where affinities of
 * several workloads overlap in part, the result is an approximation.
 */
final class FairShares {
  private static final double EPSILON = 1e-12;

  private FairShares() {}

  /**
   * What is due to each vCPU of each workload, as a part of one pCPU; empty for those who do not
   * always want more.
   *
   * @param got pCPUs' worth that each workload got
   */
  static List<OptionalDouble> due(List<Workload> workloads, double[] got, int pcpus) {
    int n = workloads.size();
    double left = 0;
    double[] limit = new double[n];
    double[] due = new double[n];
    boolean[] open = new boolean[n];
    for (int i = 0; i < n; i++) {
      Workload workload = workloads.get(i);
      open[i] = workload.behaviour().isHungry();
      limit[i] = limit(workload, pcpus);
      left += open[i] ? got[i] : 0;
    }
    boolean[] hungry = open.clone();
    for (boolean again = true; again; ) {
      again = false;
      double weights = 0;
      for (int i = 0; i < n; i++) {
        weights += open[i] ? (double) workloads.get(i).weight() * workloads.get(i).totalVcpus() : 0;
      }
      double perWeight = weights == 0 ? 0 : left / weights;
      for (int i = 0; i < n; i++) {
        if (open[i]) {
          due[i] = perWeight * workloads.get(i).weight();
          if (due[i] > limit[i] + EPSILON) {
            due[i] = limit[i];
            left -= limit[i] * workloads.get(i).totalVcpus();
            open[i] = false;
            again = true;
          }
        }
      }
    }
    OptionalDouble[] result = new OptionalDouble[n];
    Arrays.setAll(result, i -> hungry[i] ? OptionalDouble.of(due[i]) : OptionalDouble.empty());
    return List.of(result);
  }

  private static double limit(Workload workload, int pcpus) {
    double limit = 1;
    if (workload.cap() > 0) {
      limit = Math.min(limit, workload.cap() / 100.0 / workload.vcpus());
    }
    int allowed = 0;
    for (int pcpu = 0; pcpu < pcpus; pcpu++) {
      allowed += workload.affinity().contains(pcpu) ? 1 : 0;
    }
    return Math.min(limit, (double) allowed / workload.totalVcpus());
  }
}
