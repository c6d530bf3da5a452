package dev.domus.toolstack.cli;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.HypercallException;
import dev.domus.toolstack.BadInputException;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What {@code run} says to the scheduler beside its name, weights and caps. */
final class SchedulingOptions {
  private static final String PARAMETER = "--sched-param", VCPU_PARAMETER = "--vcpu-param";
  private static final String GRANULARITY = "--sched-gran";
  private static final String CPUS = "--cpus", SOFT_CPUS = "--cpus-soft";

  private static final int MAX_GRANULARITY = 64;

  @Option(
      names = PARAMETER,
      paramLabel = "NAME=VALUE",
      description =
          "A parameter of the scheduler (domus sched parameters); may be given several times.")
  private Map<String, String> parameters = Map.of();

  @Option(
      names = VCPU_PARAMETER,
      paramLabel = "NAME=VALUE",
      description =
          "A parameter that the scheduler has for single vCPUs (domus sched parameters), set for all of the guest's; may be given several times.")
  private Map<String, String> vcpuParameters = Map.of();

  @Option(
      names = GRANULARITY,
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Schedule cores of N pCPUs: N consecutive vCPUs of a guest have one together, and never two guests at once; default: ${DEFAULT-VALUE}, each pCPU for itself.")
  private int granularity;

  @Option(
      names = CPUS,
      paramLabel = "LIST",
      description = "pCPUs that the guest may run on, like 0,2-3; default: all.")
  private Optional<String> cpus = Optional.empty();

  @Option(
      names = SOFT_CPUS,
      paramLabel = "LIST",
      description = "pCPUs that the guest had better run on; default: all.")
  private Optional<String> softCpus = Optional.empty();

  /**
   * Judges what can be judged before the machine starts.
   *
   * @param pcpus how many there will be
   * @param scheduler name of the pool's scheduler, one of {@code schedulers}
   */
  void check(int pcpus, String scheduler, List<SchedulerFactory> schedulers)
      throws BadInputException {
    mask(CPUS, cpus, pcpus);
    mask(SOFT_CPUS, softCpus, pcpus);
    if (granularity < 1 || granularity > MAX_GRANULARITY || pcpus % granularity != 0) {
      throw new BadInputException(
          "%s: %d does not divide the pCPUs into cores of up to %d; there are %d (--pcpus)"
              .formatted(GRANULARITY, granularity, MAX_GRANULARITY, pcpus));
    }
    for (SchedulerFactory factory : schedulers) {
      if (factory.name().equals(scheduler)) {
        try {
          SchedParameters.check(factory, parameters, schedulers);
        } catch (IllegalArgumentException refused) {
          throw new BadInputException(PARAMETER + ": " + refused.getMessage());
        }
      }
    }
  }

  /** How many pCPUs make a core. */
  int granularity() {
    return granularity;
  }

  /** What is given for the pool's scheduler, name to text. */
  Map<String, String> parameters() {
    return parameters;
  }

  /**
   * Sets what is about the guest's vCPUs.
   *
   * @throws BadInputException if the scheduler has no such parameter, or the value is wrong
   */
  void applyToGuest(Control control, DomainInfo guest, int pcpus) throws BadInputException {
    CpuMask hard = mask(CPUS, cpus, pcpus);
    CpuMask soft = mask(SOFT_CPUS, softCpus, pcpus);
    for (int i = 0; i < guest.vcpus(); i++) {
      int vcpu = i;
      set(CPUS, () -> control.setAffinity(guest.domid(), vcpu, hard, soft));
      if (!vcpuParameters.isEmpty()) {
        set(VCPU_PARAMETER, () -> control.setVcpuParameters(guest.domid(), vcpu, vcpuParameters));
      }
    }
  }

  private static void set(String option, Runnable setting) throws BadInputException {
    try {
      setting.run();
    } catch (HypercallException refused) {
      if (refused.errno() != Errno.EINVAL) {
        throw refused;
      }
      throw new BadInputException(option + ": " + refused.getMessage());
    }
  }

  private static CpuMask mask(String option, Optional<String> list, int pcpus)
      throws BadInputException {
    if (list.isEmpty()) {
      return CpuMask.ALL;
    }
    BitSet set = new BitSet();
    for (String part : list.get().split(",", -1)) {
      String[] ends = part.split("-", 2);
      int first = pcpu(option, ends[0], pcpus);
      int last = pcpu(option, ends[ends.length - 1], pcpus);
      if (last < first) {
        throw new BadInputException(
            option + ": " + BadInputException.quote(part) + " runs backwards; write it like 0,2-3");
      }
      set.set(first, last + 1);
    }
    return CpuMask.of(set.stream().toArray());
  }

  private static int pcpu(String option, String text, int pcpus) throws BadInputException {
    try {
      int pcpu = Integer.parseInt(text);
      if (pcpu >= 0 && pcpu < pcpus) {
        return pcpu;
      }
    } catch (NumberFormatException noNumber) {
      // refused below, as a number out of range is
    }
    throw new BadInputException(
        "%s: %s is no pCPU; there are 0 to %d (--pcpus), write them like 0,2-3"
            .formatted(option, BadInputException.quote(text), pcpus - 1));
  }
}
