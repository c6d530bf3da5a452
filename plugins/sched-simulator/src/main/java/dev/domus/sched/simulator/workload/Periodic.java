package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.sched.simulator.engine.Program;
import dev.domus.sched.simulator.engine.Vcpu;
import java.util.SplittableRandom;

/**
 * Real-time: a job each period, to be done before its deadline (C. L. Liu, J. W. Layland,
 * <em>Scheduling Algorithms for Multiprogramming in a Hard-Real-Time Environment</em>, 1973). A job
 * that is late is done nevertheless; those released meanwhile queue behind it. {@code rt}
 *
 * @param deadlineNanos after the release
 * @param randomPhase whether each vCPU's first release is anywhere in its first period; else all
 *     come at once, which is the worst case
 */
record Periodic(long periodNanos, Distribution work, long deadlineNanos, boolean randomPhase)
    implements Behaviour {
  /** Where the first release is. */
  private enum Phase {
    RANDOM,
    NONE
  }

  static Periodic read(Settings settings) throws UsageException {
    String deadline = settings.text("deadline", "");
    long period = settings.duration("period", "10ms");
    long deadlineNanos =
        deadline.isEmpty()
            ? period
            : Durations.parse(deadline)
                .filter(nanos -> nanos > 0)
                .orElseThrow(() -> settings.wrong("deadline", deadline, Durations.FORM));
    settings.requireSlow("period", period);
    return new Periodic(
        period,
        settings.distribution("work", "1ms"),
        deadlineNanos,
        settings.word("phase", Phase.class, Phase.RANDOM) == Phase.RANDOM);
  }

  @Override
  public String description() {
    return "every "
        + Durations.show(periodNanos)
        + " a job of "
        + Described.of(work)
        + (deadlineNanos == periodNanos ? "" : ", due after " + Durations.show(deadlineNanos));
  }

  @Override
  public Guest newGuest(int domain) {
    return (vcpu, random) -> new Jobs(vcpu, random, this);
  }

  private static final class Jobs implements Program {
    private final Vcpu vcpu;
    private final SplittableRandom random;
    private final Periodic of;

    /** Releases of which the job is not done: the first is the one being worked on. */
    private int pending;

    private long firstReleaseNanos;
    private long nextReleaseNanos;

    Jobs(Vcpu vcpu, SplittableRandom random, Periodic of) {
      this.vcpu = vcpu;
      this.random = random;
      this.of = of;
    }

    @Override
    public void start(long nowNanos) {
      nextReleaseNanos = of.randomPhase ? random.nextLong(of.periodNanos) : 0;
      vcpu.setTimer(nextReleaseNanos);
    }

    @Override
    public void timer(long nowNanos) {
      if (pending++ == 0) {
        firstReleaseNanos = nowNanos;
        vcpu.compute(of.work.sample(random));
        vcpu.wake();
      }
      nextReleaseNanos = nowNanos + of.periodNanos;
      vcpu.setTimer(nextReleaseNanos);
    }

    @Override
    public void done(long nowNanos) {
      long response = nowNanos - firstReleaseNanos;
      vcpu.measures().jobDone(response);
      vcpu.measures().deadline(response > of.deadlineNanos);
      firstReleaseNanos += of.periodNanos;
      if (--pending == 0) {
        vcpu.block();
      } else {
        vcpu.compute(of.work.sample(random));
      }
    }

    @Override
    public void end(long nowNanos) {
      for (int i = 0; i < pending; i++) {
        if (nowNanos > firstReleaseNanos + i * of.periodNanos + of.deadlineNanos) {
          vcpu.measures().deadline(true);
        }
      }
    }
  }
}
