package dev.domus.kernel.servicedomain;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.EventDomains;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.grant.GrantMachine;
import dev.domus.kernel.grant.GrantWindows;
import dev.domus.kernel.io.IoClaims;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Services;
import dev.domus.kernel.service.Worker;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A service domain: its ports with their event thread, its grant mappings, and where its services
 * meet.
 */
public final class LocalServiceDomain implements ServiceDomain, AutoCloseable {
  private final int domid;
  private final Optional<ServiceTurns> turns;
  private final ServiceEvents events;
  private final GrantWindows grants;
  private final IoClaims io;
  private final TypedHypercalls hypercalls;
  private final ServiceRegistry services = new ServiceRegistry();

  /**
   * Starts the domain.
   *
   * @param io its claims of I/O memory and ports
   * @param control gives the control interface, or refuses it to an unprivileged domain
   */
  public LocalServiceDomain(
      int domid,
      EventDomains domains,
      GrantMachine machine,
      IoClaims io,
      Supplier<Control> control) {
    this(domid, domains, machine, io, control, Optional.empty());
  }

  /**
   * Starts the domain.
   *
   * @param io its claims of I/O memory and ports
   * @param control gives the control interface, or refuses it to an unprivileged domain
   * @param turns on a deterministic machine, what does the services' work
   */
  public LocalServiceDomain(
      int domid,
      EventDomains domains,
      GrantMachine machine,
      IoClaims io,
      Supplier<Control> control,
      Optional<ServiceTurns> turns) {
    this.domid = domid;
    this.io = io;
    this.turns = turns;
    events =
        turns
            .map(t -> new ServiceEvents(domid, domains, t.worker()))
            .orElseGet(() -> new ServiceEvents(domid, domains));
    grants = new GrantWindows(domid, machine);
    hypercalls = new TypedHypercalls(events, grants, io, control);
  }

  /** Its event channels, for the others to reach. */
  public EventChannels events() {
    return events.channels();
  }

  @Override
  public int domid() {
    return domid;
  }

  @Override
  public Hypercalls hypercalls() {
    return hypercalls;
  }

  @Override
  public Worker worker(String name) {
    return turns.map(ServiceTurns::worker).orElseGet(() -> new ThreadWorker(name));
  }

  @Override
  public Services services() {
    return services;
  }

  /** Closes its claims, ports and mappings and ends its event thread. */
  @Override
  public void close() {
    io.close();
    events.close();
    grants.close();
  }
}
