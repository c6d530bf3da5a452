package dev.domus.sched.simulator.engine;

import dev.domus.kernel.sched.PutReason;

/** Hears what happens to vCPUs, in the order of time. */
public interface RunRecorder {
  /** Records nothing. */
  RunRecorder NONE =
      new RunRecorder() {
        @Override
        public void wake(Vcpu vcpu, long nowNanos) {}

        @Override
        public void run(Vcpu vcpu, int pcpu, long nowNanos) {}

        @Override
        public void off(Vcpu vcpu, PutReason reason, long ranNanos, long nowNanos) {}
      };

  /** A blocked vCPU was woken. */
  void wake(Vcpu vcpu, long nowNanos);

  /** A vCPU was given a pCPU. */
  void run(Vcpu vcpu, int pcpu, long nowNanos);

  /** A vCPU came off its pCPU, after so much CPU time. */
  void off(Vcpu vcpu, PutReason reason, long ranNanos, long nowNanos);
}
