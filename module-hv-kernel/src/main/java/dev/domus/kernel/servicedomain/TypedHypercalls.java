package dev.domus.kernel.servicedomain;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.grant.GrantWindows;
import dev.domus.kernel.io.IoClaims;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import java.util.function.IntSupplier;
import java.util.function.Supplier;

/**
 * The hypercalls of a service domain. They call what the hypercalls of guests call, under the
 * domain's own id, and turn error numbers into exceptions that say what was asked.
 */
public final class TypedHypercalls implements Hypercalls {
  private final ServiceEvents events;
  private final GrantWindows grants;
  private final IoClaims io;
  private final Supplier<Control> control;

  /**
   * Binds the hypercalls to a domain.
   *
   * @param events the domain's event channels
   * @param grants the domain's grant mappings
   * @param io what the domain claims of I/O memory and ports
   * @param control supplies the control interface, or throws {@link HypercallException} with EPERM
   */
  public TypedHypercalls(
      ServiceEvents events, GrantWindows grants, IoClaims io, Supplier<Control> control) {
    this.events = events;
    this.grants = grants;
    this.io = io;
    this.control = control;
  }

  @Override
  public EventPort allocUnbound(int remoteDomid, Runnable handler) {
    EventChannels channels = events.channels();
    return bind(
        () -> channels.allocUnbound(channels.domid(), remoteDomid),
        handler,
        "allocate a port for domain " + remoteDomid);
  }

  @Override
  public EventPort bindInterdomain(int remoteDomid, int remotePort, Runnable handler) {
    return bind(
        () -> events.channels().bindInterdomain(remoteDomid, remotePort),
        handler,
        "bind to port " + remotePort + " of domain " + remoteDomid);
  }

  @Override
  public EventPort bindVirq(int virq, Runnable handler) {
    return bind(
        () -> events.channels().bindVirq(virq, 0), handler, "bind virtual interrupt " + virq);
  }

  private EventPort bind(IntSupplier operation, Runnable handler, String what) {
    BoundPort bound = new BoundPort(handler);
    int port = events.bind(operation, bound);
    if (port < 0) {
      throw new HypercallException(-port, "domain " + events.domid() + " cannot " + what);
    }
    bound.port = port;
    return bound;
  }

  @Override
  public GrantMapping mapGrant(int domid, int ref, boolean writable) {
    return switch (grants.map(domid, ref, writable)) {
      case GrantWindows.Mapped mapping -> mapping;
      case GrantWindows.Refused(int status) ->
          throw new HypercallException(
              errno(status),
              "domain %d cannot map grant %d of domain %d for %s: status=%d"
                  .formatted(events.domid(), ref, domid, writable ? "writing" : "reading", status));
    };
  }

  private static int errno(int status) {
    return switch (status) {
      case GrantStatus.BAD_DOMAIN -> Errno.ESRCH;
      case GrantStatus.GENERAL_ERROR, GrantStatus.PERMISSION_DENIED -> Errno.EPERM;
      case GrantStatus.NO_SPACE -> Errno.ENOSPC;
      default -> Errno.EINVAL;
    };
  }

  @Override
  public long ioMemoryStart() {
    return io.memoryStart();
  }

  @Override
  public IoClaim claimIoMemory(long firstFrame, long frames, IoHandler handler) {
    return io.claimMemory(firstFrame, frames, handler);
  }

  @Override
  public IoClaim claimIoPorts(int first, int count, IoHandler handler) {
    return io.claimPorts(first, count, handler);
  }

  @Override
  public Control control() {
    return control.get();
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
        events.channels().send(port);
      }
    }

    @Override
    public void close() {
      closed = true;
      events.close(port, this);
    }
  }
}
