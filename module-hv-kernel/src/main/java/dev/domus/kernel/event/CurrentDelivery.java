package dev.domus.kernel.event;

import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.EOPNOTSUPP;

import dev.domus.kernel.trace.ring.Tracer;
import java.util.function.LongConsumer;

/**
 * The ABI by which a domain's ports reach it at present, and the change to another.
 *
 * <h2>Two ABIs</h2>
 *
 * <p>A guest begins with two levels and may go over to FIFO by EVTCHNOP_init_control; only
 * EVTCHNOP_reset leads back, when all ports are closed. Going over may meet sends. Who sends looks
 * again, when he has set his bit, whether the ABI is still the same; who switches puts the new ABI
 * into force and then looks for bits of the old one. One of the two carries the event over.
 *
 * <h2>Memory that is given back</h2>
 *
 * <p>A send that comes late must not reach memory that the domain has no more. {@link Deliveries}
 * says who is still writing: {@link #leaveFifo} and {@link #end} put another delivery into force,
 * wait until nobody uses the old one, and give its pages back.
 *
 * <p>{@link #setPending} and {@link #unmask} are lock-free. All else but the questions is called
 * under the lock of the domain's {@link EventChannels}.
 */
final class CurrentDelivery {
  private final EventTarget target;
  private final EventDomains domains;
  private final Tracer tracer;
  private final Deliveries deliveries = new Deliveries();
  private volatile PortDelivery current;

  CurrentDelivery(EventTarget target, EventDomains domains) {
    this.target = target;
    this.domains = domains;
    tracer = domains.tracer();
    current = target.sharedInfo() >= 0 ? twoLevels() : new HandlerDelivery(target);
  }

  private TwoLevelDelivery twoLevels() {
    return new TwoLevelDelivery(domains.memory(), target);
  }

  // ---- on the way of every event

  /** Names each of the guest's frames that is held, as often as it is held. */
  void forEachFrame(LongConsumer taker) {
    if (current instanceof FifoDelivery fifo) {
      fifo.forEachFrame(taker);
    }
  }

  /** Makes a port pending, by the ABI that is in force when it is done. */
  void setPending(Port port) {
    tracer.event(target.domid(), port.notifyVcpu, port.number);
    deliveries.enter();
    try {
      PortDelivery used;
      do {
        used = current;
        used.setPending(port);
      } while (used != current);
    } finally {
      deliveries.exit();
    }
  }

  /** Clears a port's mask; if it is pending, tells the domain. */
  void unmask(Port port) {
    deliveries.enter();
    try {
      current.unmask(port);
    } finally {
      deliveries.exit();
    }
  }

  boolean isPending(Port port) {
    return current.isPending(port);
  }

  boolean isMasked(Port port) {
    return current.isMasked(port);
  }

  // ---- under the domain's lock

  int ports() {
    return current.ports();
  }

  void clearPending(Port port) {
    current.clearPending(port);
  }

  /** Says whether ports have priorities. */
  boolean isFifo() {
    return current instanceof FifoDelivery;
  }

  /** Takes a vCPU's control block; the first one switches to FIFO. 0 or −EINVAL. */
  int initControl(long mfn, int offset, int vcpu, PortTable table) {
    return switch (current) {
      case FifoDelivery fifo -> fifo.addControlBlock(mfn, offset, vcpu);
      case TwoLevelDelivery twoLevels -> {
        FifoDelivery fifo = new FifoDelivery(domains.memory(), domains.frameReferences(), target);
        int error = fifo.addControlBlock(mfn, offset, vcpu);
        if (error == 0) {
          enterFifo(twoLevels, fifo, table);
        }
        yield error;
      }
      case HandlerDelivery _ -> -EINVAL;
      case NoDelivery _ -> -EINVAL;
    };
  }

  private void enterFifo(TwoLevelDelivery old, FifoDelivery fifo, PortTable table) {
    current = fifo;
    for (int number = 1; number < table.length(); number++) {
      Port port = table.get(number);
      if (port != null && port.binding != PortBinding.Free.INSTANCE && old.isPending(port)) {
        fifo.setPending(port);
      }
    }
  }

  /** Takes the next page of event words, and raises what was waiting for one. */
  int expandArray(long mfn, PortTable table) {
    if (!(current instanceof FifoDelivery fifo)) {
      return -EOPNOTSUPP;
    }
    int first = fifo.wordCount();
    int error = fifo.addPage(mfn);
    for (int number = first; number < fifo.wordCount() && table.covers(number); number++) {
      Port port = table.get(number);
      if (port != null) {
        fifo.raiseRemembered(port);
      }
    }
    return error;
  }

  /** Goes back to two levels; no port is bound. */
  void leaveFifo() {
    if (current instanceof FifoDelivery fifo) {
      replace(fifo, twoLevels());
    }
  }

  /** Delivers nothing any more; no port is bound. */
  void end() {
    replace(current, NoDelivery.INSTANCE);
  }

  private void replace(PortDelivery old, PortDelivery next) {
    current = next;
    deliveries.awaitNone();
    if (old instanceof FifoDelivery fifo) {
      fifo.release();
    }
  }
}
