package dev.domus.sched.simulator.workload;

import dev.domus.sched.simulator.engine.Program;
import dev.domus.sched.simulator.engine.Vcpu;
import java.util.List;

/**
 * What the vCPUs of a recording wanted: for each, pieces of CPU time, and what came after each.
 *
 * <p>A recording says what happened under one scheduler on one machine. What is taken from it is
 * what does not depend on those, as far as that can be known: how much CPU time a vCPU used between
 * a wake-up and its falling asleep, where it yielded, and how long it slept. How long it waited for
 * a pCPU, and where its slices ended, is left out: that is for the simulated scheduler to say.
 *
 * @param domains the recorded domains
 */
record RecordedTrace(List<Domain> domains) {
  /** A domain of the recording. */
  record Domain(int weight, int cap, List<Demand> vcpus) {}

  /** What comes after a piece of CPU time. */
  static final byte SLEEPS = 0, YIELDS = 1, ENDS = 2;

  /**
   * What one vCPU wanted.
   *
   * @param firstWakeNanos when it first woke, after the beginning of the recording
   * @param workNanos the pieces of CPU time
   * @param then what came after each
   * @param sleepNanos how long it slept after each
   * @param wakeNanos when it woke after each, after the beginning of the recording
   */
  record Demand(
      long firstWakeNanos, long[] workNanos, byte[] then, long[] sleepNanos, long[] wakeNanos) {}

  /** What the time of a wake-up is taken from. */
  enum Timing {
    /** The vCPU sleeps as long as it did: it waited for an answer. */
    SLEEP,
    /** It wakes when it did, or at once if it is late: something came from outside. */
    CLOCK
  }

  /**
   * Plays some domains of a recording.
   *
   * @param file where it was read from
   * @param domains that have equal weights, caps and numbers of vCPUs
   */
  record Replay(String file, List<Domain> domains, Timing timing) implements Behaviour {
    @Override
    public String description() {
      return "as recorded in "
          + file
          + (timing == Timing.SLEEP ? "" : ", waking by the recording's clock");
    }

    @Override
    public Guest newGuest(int domain) {
      Domain recorded = domains.get(domain % domains.size());
      return (vcpu, random) -> new Playing(vcpu, recorded.vcpus().get(vcpu.vcpu()), timing);
    }
  }

  private static final class Playing implements Program {
    private final Vcpu vcpu;
    private final Demand demand;
    private final Timing timing;
    private int next;
    private long wantedNanos;

    Playing(Vcpu vcpu, Demand demand, Timing timing) {
      this.vcpu = vcpu;
      this.demand = demand;
      this.timing = timing;
    }

    @Override
    public void start(long nowNanos) {
      if (demand.workNanos.length > 0) {
        vcpu.setTimer(demand.firstWakeNanos);
      }
    }

    @Override
    public void timer(long nowNanos) {
      wantedNanos = nowNanos;
      vcpu.compute(demand.workNanos[next]);
      vcpu.wake();
    }

    @Override
    public void done(long nowNanos) {
      int ended = next++;
      switch (demand.then[ended]) {
        case YIELDS -> vcpu.yieldThenCompute(demand.workNanos[next]);
        case SLEEPS -> {
          vcpu.measures().jobDone(nowNanos - wantedNanos);
          vcpu.block();
          vcpu.setTimer(
              timing == Timing.SLEEP
                  ? nowNanos + demand.sleepNanos[ended]
                  : Math.max(nowNanos, demand.wakeNanos[ended]));
        }
        default -> vcpu.block();
      }
    }
  }
}
