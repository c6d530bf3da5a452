package dev.domus.kernel.trace.ring;

import dev.domus.kernel.trace.TraceRecord;

/**
 * A thread with a buffer of its own: a pCPU's. The buffer belongs to the thread and not to the
 * pCPU, so that a thread which the watchdog has given up, and which may yet wake up, never writes
 * where its successor writes.
 */
public abstract class TracedThread extends Thread {
  /** Only this thread touches it. */
  private TraceRing ring;

  private TraceSession session;
  private DecisionLog decisions;

  /** Makes a thread of that name. */
  protected TracedThread(String name) {
    super(name);
  }

  /** The machine's number of the pCPU. */
  public abstract int pcpu();

  /** The vCPU that it runs at this moment as {@link TraceRecord#vcpuKey}, or −1. */
  public abstract int currentVcpu();

  /** By this thread: its buffer in a session. */
  final TraceRing ring(TraceSession current) {
    if (session != current) {
      session = current;
      ring = current.takeRing();
    }
    return ring;
  }

  /** By this thread: what its pCPU did last. */
  final DecisionLog decisions(Tracer tracer) {
    DecisionLog log = decisions;
    if (log == null) {
      log = tracer.decisionsOf(pcpu());
      decisions = log;
    }
    return log;
  }

  /** By this thread, at its end: another may have its buffer. */
  protected final void leaveTrace() {
    if (session != null) {
      session.giveBack(ring);
      session = null;
      ring = null;
    }
  }
}
