package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.sched.simulator.engine.Program;
import dev.domus.sched.simulator.engine.Vcpu;

/** Computes without end. {@code cpu} */
record CpuBound(long startNanos) implements Behaviour {
  static CpuBound read(Settings settings) throws UsageException {
    return new CpuBound(settings.duration("start", "0s"));
  }

  @Override
  public String description() {
    return "computes without end"
        + (startNanos == 0 ? "" : ", from " + Durations.show(startNanos) + " on");
  }

  @Override
  public boolean isHungry() {
    return true;
  }

  @Override
  public boolean hasResponse() {
    return false;
  }

  @Override
  public Guest newGuest(int domain) {
    return (vcpu, random) -> new Computing(vcpu, startNanos);
  }

  private record Computing(Vcpu vcpu, long startNanos) implements Program {
    @Override
    public void start(long nowNanos) {
      vcpu.setTimer(startNanos);
    }

    @Override
    public void timer(long nowNanos) {
      vcpu.compute(ENDLESS);
      vcpu.wake();
    }

    @Override
    public void done(long nowNanos) {
      vcpu.compute(ENDLESS);
    }
  }
}
