package dev.domus.kernel.event;

import dev.domus.kernel.abi.FifoLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * One port of one domain. The object stays the port's for the domain's life, whatever the port is
 * bound to.
 *
 * <p>The first three fields are written under the lock of the domain's {@link EventChannels} and
 * read without it. The others belong to {@link FifoDelivery}.
 */
final class Port {
  private static final VarHandle REMEMBERED;
  private static final VarHandle QUEUED;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      REMEMBERED = lookup.findVarHandle(Port.class, "remembered", boolean.class);
      QUEUED = lookup.findVarHandle(Port.class, "queued", boolean.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  final int number;
  volatile PortBinding binding = PortBinding.Free.INSTANCE;

  /** The vCPU that is told. */
  volatile int notifyVcpu;

  /** Priority in the FIFO ABI, 0 the highest. */
  volatile int priority = FifoLayout.DEFAULT_PRIORITY;

  /** Pending, and the guest has not yet given the page that its event word is in. */
  private volatile boolean remembered;

  /** Somebody has handed, or is about to hand, the port to who links at present. */
  private volatile boolean queued;

  /** The next port handed over. Owned by who set {@link #queued}, then by who links. */
  Port nextQueued;

  /** Index of the queue that it was last linked into. Owned by who links. */
  int lastQueue;

  Port(int number) {
    this.number = number;
  }

  boolean remembered() {
    return remembered;
  }

  void remember() {
    remembered = true;
  }

  /** Forgets it; says whether there was something to forget. */
  boolean takeRemembered() {
    return remembered && (boolean) REMEMBERED.compareAndSet(this, true, false);
  }

  /** Says whether it is the caller who has to hand the port over. */
  boolean markQueued() {
    return (boolean) QUEUED.compareAndSet(this, false, true);
  }

  /** From now on a change of the event word needs another handing over. */
  void unmarkQueued() {
    queued = false;
  }
}
