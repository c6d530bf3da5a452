package dev.domus.kernel.servicedomain;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.io.IoClaims;
import dev.domus.kernel.mmu.Physmap;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Services;
import dev.domus.kernel.service.Worker;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A service domain: a {@link Domain} without guest code, the thread that handles its events, and
 * the typed form of its hypercalls.
 *
 * <h2>The end</h2>
 *
 * <p>It does not need the plugin's help. From the first step on no hypercall is made in the
 * domain's name; its devices are taken, each with a wait for what it is doing, and what was
 * registered for them is let go. Then no handler is called any more; its claims, ports and windows
 * are taken away, so that what its code still does fails in Java. What it has mapped of others
 * keeps their frames until no thread is in an access any more and no other user has the window;
 * then the domain is taken apart, by the thread that was the last. Thread-safe.
 */
public final class LocalServiceDomain implements ServiceDomain, AutoCloseable {
  private final Hypervisor hypervisor;
  private final Domain domain;
  private final String name;
  private final Optional<ServiceTurns> turns;
  private final ServiceEvents events;
  private final IoClaims io;
  private final Callers callers;
  private final TypedHypercalls hypercalls;
  private final Services services;
  private final AtomicBoolean closed = new AtomicBoolean();

  /**
   * Starts the domain.
   *
   * @param domid 0, or claimed of the hypervisor's ids
   * @param name what people call it
   * @param maxPages limit of its memory in 4 KiB frames
   * @param privileged whether it may act on others and on the machine
   * @param services where its services meet others
   * @param turns on a deterministic machine, what does the services' work
   * @return the domain, or nothing if there is no memory for its shared info page
   */
  public static Optional<LocalServiceDomain> start(
      Hypervisor hypervisor,
      int domid,
      String name,
      long maxPages,
      boolean privileged,
      Services services,
      Optional<ServiceTurns> turns) {
    DomainSpec spec = new DomainSpec(new UUID(0, domid), maxPages, 0, "", "", 256, 0, privileged);
    ServiceEvents events =
        turns
            .map(t -> new ServiceEvents(domid, hypervisor, t.worker()))
            .orElseGet(() -> new ServiceEvents(domid, hypervisor));
    Optional<Domain> made = hypervisor.createServiceDomain(domid, spec, events);
    if (made.isEmpty()) {
      events.close();
    }
    return made.map(
        domain -> new LocalServiceDomain(hypervisor, domain, name, events, services, turns));
  }

  private LocalServiceDomain(
      Hypervisor hypervisor,
      Domain domain,
      String name,
      ServiceEvents events,
      Services services,
      Optional<ServiceTurns> turns) {
    this.hypervisor = hypervisor;
    this.domain = domain;
    this.name = name;
    this.events = events;
    this.services = services;
    this.turns = turns;
    io = hypervisor.ioClaims(domain.domid());
    callers = new Callers(domain);
    hypercalls =
        new TypedHypercalls(
            callers,
            events,
            io,
            hypervisor.control().as(domain.domid(), domain.counters()),
            this::takeApart);
  }

  /** The domain, as the hypervisor has it. */
  public Domain domain() {
    return domain;
  }

  /** Its event channels, for the others to reach. */
  public EventChannels events() {
    return events.channels();
  }

  @Override
  public int domid() {
    return domain.domid();
  }

  @Override
  public String name() {
    return name;
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

  /** Says whether it has begun to end. */
  public boolean isClosed() {
    return closed.get();
  }

  /** Ends the domain; returns when nobody acts in its name. A second call does nothing. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      callers.end();
      hypervisor.assignments().deassignAll(domain); // before what they reach goes
      io.close();
      events.close();
      domain.physmap().ifPresent(Physmap::endWindows);
      hypercalls.end();
    }
  }

  private void takeApart() {
    callers.awaitNone();
    hypervisor.removeServiceDomain(domain);
  }
}
