package dev.domus.kernel.domain;

import java.lang.invoke.VarHandle;

/**
 * The ports that a vCPU waits for in SCHEDOP_poll. It fills them in, announces them with {@link
 * #start}, and then looks once more whether one is pending; a notifier makes the port pending first
 * and then asks {@link #contains}: one of the two sees the other.
 */
public final class PolledPorts {
  /** How many there can be. */
  public static final int MAX = 128;

  private final int[] ports = new int[MAX];
  private volatile int count;

  PolledPorts() {}

  /** Sets a port of the poll that is being prepared; the vCPU's own thread. */
  public void set(int index, int port) {
    ports[index] = port;
  }

  /** A port of the poll; the vCPU's own thread. */
  public int get(int index) {
    return ports[index];
  }

  /**
   * From now on a notification of one of the first ports wakes the vCPU, whatever the port's mask.
   */
  public void start(int portCount) {
    count = portCount;
    VarHandle.fullFence();
  }

  /** Ends the poll. Returns whether there was one. */
  public boolean stop() {
    boolean polled = count != 0;
    if (polled) {
      count = 0;
    }
    return polled;
  }

  /** Says whether the vCPU polls for a port. Any thread. */
  boolean contains(int port) {
    int polled = count;
    for (int i = 0; i < polled; i++) {
      if (ports[i] == port) {
        return true;
      }
    }
    return false;
  }
}
