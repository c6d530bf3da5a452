package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.sched.simulator.engine.Program;
import dev.domus.sched.simulator.engine.Vcpu;
import java.util.SplittableRandom;

/**
 * Computes for a moment, asks for something, blocks until it is there, and so on: a closed loop, in
 * which the next request comes when the last one is served. {@code io}
 *
 * @param work CPU time between two requests
 * @param pause how long a request takes
 */
record IoBound(Distribution work, Distribution pause) implements Behaviour {
  static IoBound read(Settings settings) throws UsageException {
    Distribution work = settings.distribution("work", "exp(100us)");
    Distribution pause = settings.distribution("wait", "exp(2ms)");
    settings.requireSlow("work and wait", work.meanNanos() + pause.meanNanos());
    return new IoBound(work, pause);
  }

  @Override
  public String description() {
    return "computes for " + Described.of(work) + ", then waits for " + Described.of(pause);
  }

  @Override
  public Guest newGuest(int domain) {
    return (vcpu, random) -> new Asking(vcpu, random, this);
  }

  private static final class Asking implements Program {
    private final Vcpu vcpu;
    private final SplittableRandom random;
    private final IoBound of;
    private long askedNanos;

    Asking(Vcpu vcpu, SplittableRandom random, IoBound of) {
      this.vcpu = vcpu;
      this.random = random;
      this.of = of;
    }

    @Override
    public void start(long nowNanos) {
      vcpu.setTimer(of.pause.sample(random));
    }

    @Override
    public void timer(long nowNanos) {
      askedNanos = nowNanos;
      vcpu.compute(of.work.sample(random));
      vcpu.wake();
    }

    @Override
    public void done(long nowNanos) {
      vcpu.measures().jobDone(nowNanos - askedNanos);
      vcpu.block();
      vcpu.setTimer(nowNanos + of.pause.sample(random));
    }
  }
}
