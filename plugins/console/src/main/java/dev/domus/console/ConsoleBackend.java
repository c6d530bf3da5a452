package dev.domus.console;

import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.Worker;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * All consoles, and how the backend learns of domains.
 *
 * <p>When {@link Guests} says that some may have come, it maps grant 0 of each that has a console
 * and is not served yet, and binds its port. When some may have gone it lets go of those that have,
 * or have been replaced by another of the same number.
 *
 * <p>Attaching and draining look for the domain in the store too, because the watch may not have
 * been heard yet when a toolstack that has just introduced a domain attaches.
 *
 * <p>This object's monitor guards the table of consoles. Lock order: this, then a console's lock,
 * then the hypervisor's and the store's. No client's output is called under it.
 */
final class ConsoleBackend implements ConsoleService, AutoCloseable {
  /** The grant that the toolstack enters for the ring (xen-pv-abi.md, 12.1). */
  private static final int RING_GRANT = 0;

  private static final System.Logger LOG = System.getLogger(ConsoleBackend.class.getName());

  private final Hypercalls hypercalls;
  private final Function<String, Worker> workers;
  private final StoreConnection store;
  private final Guests guests;
  private final Map<Integer, Served> served = new HashMap<>();
  private boolean closed;

  /**
   * A console and whose it is.
   *
   * @param incarnation tells a domain from another of the same number; empty while no ring is
   *     served
   */
  private record Served(Console console, String incarnation) {}

  /**
   * Makes a backend.
   *
   * @param store closed with it
   */
  ConsoleBackend(ServiceDomain domain, StoreConnection store, Guests guests) {
    hypercalls = domain.hypercalls();
    workers = domain::worker;
    this.store = store;
    this.guests = guests;
  }

  void start() {
    guests.watch(this::discover, this::letGo);
  }

  @Override
  public Attachment attach(int domid, Output output) {
    discover(domid);
    synchronized (this) {
      if (closed) {
        throw new IllegalStateException("the console service has stopped: domid=" + domid);
      }
      return served
          .computeIfAbsent(
              domid, id -> new Served(new Console(id, workers, this::idle, this::discover), ""))
          .console()
          .attach(output);
    }
  }

  private synchronized void idle(Console console) {
    Served entry = served.get(console.domid());
    if (entry != null && entry.console() == console && console.idle()) {
      served.remove(console.domid());
    }
  }

  // ---- domains come ----

  private void discover() {
    guests.present().forEach(this::discover);
  }

  /** Begins to serve a domain if it has a console and is not served yet. */
  private synchronized void discover(int domid) {
    if (closed) {
      return;
    }
    Optional<Integer> port = guests.port(domid);
    Optional<String> incarnation = guests.incarnation(domid);
    if (port.isEmpty() || incarnation.isEmpty()) {
      return;
    }
    Served entry = served.get(domid);
    if (entry != null && !entry.incarnation().isEmpty()) {
      if (entry.incarnation().equals(incarnation.get())) {
        return;
      }
      letGo(domid, entry);
      entry = null;
    }
    Console console =
        entry == null ? new Console(domid, workers, this::idle, this::discover) : entry.console();
    if (open(console, port.get())) {
      served.put(domid, new Served(console, incarnation.get()));
    }
  }

  private boolean open(Console console, int port) {
    int domid = console.domid();
    GrantMapping mapping;
    try {
      mapping = hypercalls.mapGrant(domid, RING_GRANT, true);
    } catch (HypercallException refused) {
      LOG.log(Level.WARNING, "no console for domain " + domid + ": " + refused.getMessage());
      return false;
    }
    try {
      ConsoleRing ring = new ConsoleRing(mapping.window());
      console.open(
          new Link(ring, mapping, hypercalls.bindInterdomain(domid, port, console::notified)));
      return true;
    } catch (HypercallException refused) {
      mapping.close();
      LOG.log(Level.WARNING, "no console for domain " + domid + ": " + refused.getMessage());
      return false;
    }
  }

  // ---- domains go ----

  private synchronized void letGo() {
    for (Map.Entry<Integer, Served> entry : List.copyOf(served.entrySet())) {
      String incarnation = entry.getValue().incarnation();
      if (!incarnation.isEmpty()
          && !guests.incarnation(entry.getKey()).equals(Optional.of(incarnation))) {
        letGo(entry.getKey(), entry.getValue());
      }
    }
  }

  private void letGo(int domid, Served entry) {
    served.remove(domid);
    entry.console().end();
  }

  /** Ends all consoles. */
  @Override
  public void close() {
    store.close();
    synchronized (this) {
      closed = true;
      served.values().forEach(entry -> entry.console().end());
      served.clear();
    }
  }
}
