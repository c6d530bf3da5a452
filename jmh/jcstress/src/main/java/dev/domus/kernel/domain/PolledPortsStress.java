package dev.domus.kernel.domain;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** {@link PolledPorts}: a vCPU that goes to sleep in a poll, and a notification of its port. */
public final class PolledPortsStress {
  private PolledPortsStress() {}

  /** The vCPU announces its poll and looks again; the notifier sets the port and asks. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1", "1, 1"},
      expect = ACCEPTABLE,
      desc = "one sees the other")
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "the vCPU sleeps and nobody wakes it")
  @State
  public static class PollAgainstNotify {
    private final PolledPorts polled = new PolledPorts();
    private volatile boolean pending;

    /** Polls. */
    @Actor
    public void poll(II_Result r) {
      polled.set(0, 7);
      polled.start(1);
      r.r1 = pending ? 1 : 0;
    }

    /** Notifies. */
    @Actor
    public void send(II_Result r) {
      pending = true;
      r.r2 = polled.contains(7) ? 1 : 0;
    }
  }
}
