package dev.domus.console;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
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
 * <p>As xenconsoled does, it watches {@code @introduceDomain} and {@code @releaseDomain}. On the
 * first it looks through {@code /local/domain} for domains with {@code console/ring-ref} and {@code
 * console/port}, maps grant 0 of each that it does not serve yet, and binds the port. On the
 * second, which also tells of domains that have only shut down, it lets go of those that are being
 * destroyed or have been replaced by another of the same number.
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

  private static final String INTRODUCE = "@introduceDomain", RELEASE = "@releaseDomain";
  private static final String DOMAINS = "/local/domain";
  private static final String TOKEN = "console";
  private static final System.Logger LOG = System.getLogger(ConsoleBackend.class.getName());

  private final Hypercalls hypercalls;
  private final Function<String, Worker> workers;
  private final StoreConnection store;
  private final Optional<Control> control;
  private final Map<Integer, Served> served = new HashMap<>();
  private boolean closed;

  /**
   * A console and whose it is.
   *
   * @param incarnation tells a domain from another of the same number; empty while no ring is
   *     served
   */
  private record Served(Console console, String incarnation) {}

  ConsoleBackend(ServiceDomain domain, StoreConnection store) {
    hypercalls = domain.hypercalls();
    workers = domain::worker;
    this.store = store;
    control = control(hypercalls);
  }

  private static Optional<Control> control(Hypercalls hypercalls) {
    try {
      return Optional.of(hypercalls.control());
    } catch (HypercallException refused) {
      return Optional.empty(); // a driver domain: the store has to do as a source of truth
    }
  }

  void start() {
    store.watch(INTRODUCE, TOKEN, (path, token) -> discover());
    store.watch(RELEASE, TOKEN, (path, token) -> letGo());
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
    for (String name : store.directory(StoreConnection.NO_TRANSACTION, DOMAINS)) {
      try {
        discover(Integer.parseInt(name));
      } catch (NumberFormatException e) {
        LOG.log(Level.DEBUG, "not a domain: {0}/{1}", DOMAINS, name);
      }
    }
  }

  /** Begins to serve a domain if it has a console and is not served yet. */
  private synchronized void discover(int domid) {
    if (closed) {
      return;
    }
    Optional<Integer> port = port(domid);
    Optional<String> incarnation = incarnation(domid);
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

  /** The port of a domain's console, if the store says that this backend serves one. */
  private Optional<Integer> port(int domid) {
    String console = DOMAINS + "/" + domid + "/console/";
    try {
      if (text(console + "ring-ref").isEmpty()
          || !text(console + "type").orElse("xenconsoled").equals("xenconsoled")) {
        return Optional.empty();
      }
      return text(console + "port").map(Integer::valueOf);
    } catch (StoreException | NumberFormatException unusable) {
      LOG.log(Level.WARNING, "no console for domain " + domid + ": " + unusable.getMessage());
      return Optional.empty();
    }
  }

  private Optional<String> text(String path) {
    return store.read(StoreConnection.NO_TRANSACTION, path).filter(value -> !value.isEmpty());
  }

  /**
   * What tells a live domain from another of the same number; nothing if it is not there or being
   * destroyed.
   */
  private Optional<String> incarnation(int domid) {
    if (control.isEmpty()) {
      return port(domid).map(port -> "port " + port);
    }
    return control
        .get()
        .domain(domid)
        .filter(info -> info.state() != DomainInfo.State.DYING)
        .map(info -> info.uuid().toString());
  }

  // ---- domains go ----

  private synchronized void letGo() {
    for (Map.Entry<Integer, Served> entry : List.copyOf(served.entrySet())) {
      String incarnation = entry.getValue().incarnation();
      if (!incarnation.isEmpty() && !incarnation(entry.getKey()).equals(Optional.of(incarnation))) {
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
