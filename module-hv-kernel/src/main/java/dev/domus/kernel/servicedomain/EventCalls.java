package dev.domus.kernel.servicedomain;

import static dev.domus.kernel.abi.EventChannelLayout.*;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.PortStatus;
import java.util.function.IntSupplier;

/** event_channel_op of a service domain. */
final class EventCalls {
  private final Callers callers;
  private final ServiceEvents events;

  EventCalls(Callers callers, ServiceEvents events) {
    this.callers = callers;
    this.events = events;
  }

  EventPort allocUnbound(int remoteDomid, Runnable handler) {
    return bind(
        () -> allocate(Domid.SELF, remoteDomid),
        handler,
        "allocate a port for domain " + remoteDomid);
  }

  int allocUnboundIn(int domid, int remoteDomid) {
    int port = allocate(domid, remoteDomid);
    if (port < 0) {
      throw callers.refused(
          port, "allocate a port of domain %d for domain %d".formatted(domid, remoteDomid));
    }
    return port;
  }

  private int allocate(int domid, int remoteDomid) {
    try (Caller call = callers.enter()) {
      call.putShort(UNBOUND_DOM, Callers.domid(domid));
      call.putShort(UNBOUND_REMOTE_DOM, Callers.domid(remoteDomid));
      return port(call, ALLOC_UNBOUND, UNBOUND_PORT);
    }
  }

  EventPort bindInterdomain(int remoteDomid, int remotePort, Runnable handler) {
    return bind(
        () -> {
          try (Caller call = callers.enter()) {
            call.putShort(INTERDOMAIN_REMOTE_DOM, Callers.domid(remoteDomid));
            call.putInt(INTERDOMAIN_REMOTE_PORT, remotePort);
            return port(call, BIND_INTERDOMAIN, INTERDOMAIN_LOCAL_PORT);
          }
        },
        handler,
        "bind to port " + remotePort + " of domain " + remoteDomid);
  }

  EventPort bindVirq(int virq, Runnable handler) {
    return bind(
        () -> {
          try (Caller call = callers.enter()) {
            call.putInt(VIRQ_VIRQ, virq).putInt(VIRQ_VCPU, 0);
            return port(call, BIND_VIRQ, VIRQ_PORT);
          }
        },
        handler,
        "bind virtual interrupt " + virq);
  }

  EventPort bindPirq(int pirq, Runnable handler) {
    return bind(
        () -> {
          try (Caller call = callers.enter()) {
            call.putInt(PIRQ_PIRQ, pirq).putInt(PIRQ_FLAGS, 0);
            return port(call, BIND_PIRQ, PIRQ_PORT);
          }
        },
        handler,
        "bind physical interrupt " + pirq);
  }

  private static int port(Caller call, int command, int offset) {
    int result = call.call(HypercallNumber.EVENT_CHANNEL_OP, command);
    return result < 0 ? result : call.getInt(offset);
  }

  private EventPort bind(IntSupplier operation, Runnable handler, String what) {
    BoundPort bound = new BoundPort(handler);
    int port = events.bind(operation, bound);
    if (port < 0) {
      throw callers.refused(port, what);
    }
    bound.port = port;
    return bound;
  }

  PortStatus status(int domid, int port) {
    try (Caller call = callers.enter()) {
      call.putShort(STATUS_DOM, Callers.domid(domid)).putInt(STATUS_PORT, port);
      call.putLong(STATUS_DETAIL, 0);
      int result = call.call(HypercallNumber.EVENT_CHANNEL_OP, STATUS);
      if (result < 0) {
        throw callers.refused(result, "ask about port %d of domain %d".formatted(port, domid));
      }
      int state = call.getInt(STATUS_STATUS);
      int vcpu = call.getInt(STATUS_VCPU);
      return switch (state) {
        case PortStatus.UNBOUND -> new PortStatus(state, vcpu, call.getShort(STATUS_DETAIL), 0);
        case PortStatus.INTERDOMAIN ->
            new PortStatus(
                state, vcpu, call.getShort(STATUS_DETAIL), call.getInt(STATUS_REMOTE_PORT));
        default -> new PortStatus(state, vcpu, 0, call.getInt(STATUS_DETAIL));
      };
    }
  }

  void reset(int domid) {
    try (Caller call = callers.enter()) {
      call.putShort(0, Callers.domid(domid));
      int result = call.call(HypercallNumber.EVENT_CHANNEL_OP, RESET);
      if (result < 0) {
        throw callers.refused(result, "reset the ports of domain " + domid);
      }
    }
  }

  private int portCall(int command, int port) {
    try (Caller call = callers.enter()) {
      return call.putInt(0, port).call(HypercallNumber.EVENT_CHANNEL_OP, command);
    }
  }

  /**
   * The port, and the handler it was bound with: both end together, so that a stale object cannot
   * touch a reused number.
   */
  private final class BoundPort implements EventPort, Runnable {
    private final Runnable handler;
    private volatile int port;
    private volatile boolean closed;

    private BoundPort(Runnable handler) {
      this.handler = handler;
    }

    @Override
    public void run() {
      boolean failed = true;
      try {
        handler.run();
        failed = false;
      } finally {
        closed = closed || failed;
      }
    }

    @Override
    public int port() {
      return port;
    }

    @Override
    public void send() {
      if (!closed) {
        try {
          portCall(SEND, port);
        } catch (HypercallException ended) {
          closed = true; // with the domain
        }
      }
    }

    @Override
    public void close() {
      closed = true;
      events.close(port, this, this::closePort);
    }

    private void closePort(int number) {
      try {
        portCall(CLOSE, number);
      } catch (HypercallException ended) {
        // Its ports are closed when it is taken apart, or already.
      }
    }
  }
}
