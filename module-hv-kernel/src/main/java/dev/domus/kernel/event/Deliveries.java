package dev.domus.kernel.event;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * How many threads are delivering to a domain at this moment. It lets the domain's memory be given
 * back: a sender may have looked up where to deliver long before its thread goes on and writes
 * there.
 *
 * <p>A sender calls {@link #enter}, <em>then</em> reads which {@link PortDelivery} is in force,
 * delivers, and calls {@link #exit}. Who wants to take a delivery's memory away first puts another
 * delivery in its place and then calls {@link #awaitNone}. Both with full fences, so either the
 * sender finds the new one, or it is waited for. Senders never wait. The wait ends, because it is
 * only made when all ports have been closed and none can be bound: whoever comes later is refused
 * before he enters.
 */
final class Deliveries {
  private static final int SPINS = 100;
  private static final VarHandle UNDER_WAY;

  static {
    try {
      UNDER_WAY = MethodHandles.lookup().findVarHandle(Deliveries.class, "underWay", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private volatile int underWay;

  void enter() {
    UNDER_WAY.getAndAdd(this, 1);
  }

  void exit() {
    UNDER_WAY.getAndAdd(this, -1);
  }

  void awaitNone() {
    for (int spins = 0; underWay != 0; spins++) {
      if (spins < SPINS) {
        Thread.onSpinWait();
      } else {
        Thread.yield(); // the sender may be waiting for this very processor
      }
    }
  }
}
