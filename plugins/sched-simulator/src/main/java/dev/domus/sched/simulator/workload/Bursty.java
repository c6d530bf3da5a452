package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.sched.simulator.engine.Program;
import dev.domus.sched.simulator.engine.Vcpu;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A server: requests come in bursts, whether or not those before are served, and queue. In a burst
 * they come with some time between; between bursts none come. Without pauses, and with exponential
 * times, each vCPU is an M/M/1 queue. {@code bursty}
 *
 * @param every between two requests of a burst
 * @param work what each takes
 * @param burst how long a burst is
 * @param pause how long it is to the next one; 0 for one that never ends
 */
record Bursty(Distribution every, Distribution work, Distribution burst, Distribution pause)
    implements Behaviour {
  static Bursty read(Settings settings) throws UsageException {
    Distribution every = settings.distribution("every", "exp(1ms)");
    settings.requireSlow("every", every.meanNanos());
    return new Bursty(
        every,
        settings.distribution("work", "exp(500us)"),
        settings.distribution("burst", "exp(50ms)"),
        settings.distribution("pause", "exp(200ms)"));
  }

  private boolean isSteady() {
    return pause instanceof Distribution.Fixed(long nanos) && nanos == 0;
  }

  @Override
  public String description() {
    return "requests every %s of %s%s"
        .formatted(
            Described.of(every),
            Described.of(work),
            isSteady()
                ? ""
                : ", in bursts of %s after pauses of %s"
                    .formatted(Described.of(burst), Described.of(pause)));
  }

  @Override
  public Guest newGuest(int domain) {
    return (vcpu, random) -> new Serving(vcpu, random, this);
  }

  private static final class Serving implements Program {
    private final Vcpu vcpu;
    private final SplittableRandom random;
    private final Bursty of;

    /** A generator of its own, so that requests come at the same times under every scheduler. */
    private final SplittableRandom arrivals;

    /** When the requests came that are not served: a ring, which grows when it must. */
    private long[] cameNanos = new long[8];

    private int first;
    private int waiting;
    private long burstEndsNanos;

    Serving(Vcpu vcpu, SplittableRandom random, Bursty of) {
      this.vcpu = vcpu;
      this.random = random;
      this.arrivals = random.split();
      this.of = of;
    }

    @Override
    public void start(long nowNanos) {
      expectNext(0);
    }

    private void expectNext(long nowNanos) {
      long next = nowNanos + Math.max(1, of.every.sample(arrivals));
      if (!of.isSteady() && next > burstEndsNanos) {
        long begins = Math.max(nowNanos, burstEndsNanos) + of.pause.sample(arrivals);
        burstEndsNanos = begins + of.burst.sample(arrivals);
        next = begins;
      }
      vcpu.setTimer(Math.max(next, nowNanos + 1));
    }

    @Override
    public void timer(long nowNanos) {
      if (waiting == cameNanos.length) {
        long[] longer = Arrays.copyOfRange(cameNanos, first, first + 2 * waiting);
        System.arraycopy(cameNanos, 0, longer, waiting - first, first);
        cameNanos = longer;
        first = 0;
      }
      cameNanos[(first + waiting) % cameNanos.length] = nowNanos;
      if (waiting++ == 0) {
        vcpu.compute(of.work.sample(random));
        vcpu.wake();
      }
      expectNext(nowNanos);
    }

    @Override
    public void done(long nowNanos) {
      vcpu.measures().jobDone(nowNanos - cameNanos[first]);
      first = (first + 1) % cameNanos.length;
      if (--waiting == 0) {
        vcpu.block();
      } else {
        vcpu.compute(of.work.sample(random));
      }
    }
  }
}
