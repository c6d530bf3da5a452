package dev.domus.xenstore;

import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreService;
import dev.domus.xenstore.ring.RingServer;
import dev.domus.xenstore.store.IntroducedDomain;
import dev.domus.xenstore.store.Store;
import java.lang.System.Logger.Level;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The xenstore service of one machine: an empty store when it starts.
 *
 * <p>As xenstored does, it listens to VIRQ_DOM_EXC and looks at the domains that it has been told
 * of: one that has shut down is announced by {@code @releaseDomain}, one that is gone is released.
 * Where an access policy does not let it ask, the toolstack's RELEASE has to do.
 */
public final class XenstoreService implements Service, StoreService {
  private static final System.Logger LOG = System.getLogger(XenstoreService.class.getName());

  private final Set<LocalConnection> connections = new HashSet<>();
  private Optional<Store> store = Optional.empty();
  private Optional<ServiceDomain> serviceDomain = Optional.empty();
  private Runnable stop = () -> {};

  /** Made by the plugin host. */
  public XenstoreService() {}

  @Override
  public String name() {
    return "xenstore";
  }

  @Override
  public int order() {
    return 0;
  }

  @Override
  public boolean repeatable() {
    return true;
  }

  @Override
  public boolean watchesDomains() {
    return true;
  }

  @Override
  public synchronized void start(ServiceDomain domain) {
    Store fresh = new Store();
    RingServer rings = new RingServer(fresh, domain);
    rings.start();
    Optional<EventPort> exceptions = watchDomains(domain, fresh, rings);
    store = Optional.of(fresh);
    serviceDomain = Optional.of(domain);
    domain.services().publish(StoreService.class, this);
    stop =
        () -> {
          domain.services().withdraw(StoreService.class, this);
          exceptions.ifPresent(EventPort::close);
          rings.close();
        };
  }

  @Override
  public void stop() {
    List<LocalConnection> open;
    synchronized (this) {
      stop.run();
      stop = () -> {};
      store = Optional.empty();
      open = List.copyOf(connections);
    }
    open.forEach(
        LocalConnection::close); // their threads end with them, so that the plugin can be unloaded
  }

  @Override
  public synchronized StoreConnection connect(int domid) {
    Store serving =
        store.orElseThrow(() -> new IllegalStateException("xenstore does not run: domid=" + domid));
    LocalConnection connection =
        new LocalConnection(serving, domid, serviceDomain.orElseThrow()::worker, this::forget);
    connections.add(connection);
    return connection;
  }

  private synchronized void forget(LocalConnection connection) {
    connections.remove(connection);
  }

  private static Optional<EventPort> watchDomains(
      ServiceDomain domain, Store store, RingServer rings) {
    try {
      Control control = domain.hypercalls().control();
      Runnable look = () -> look(control, store);
      return Optional.of(domain.hypercalls().bindVirq(Virq.DOM_EXC, () -> rings.submit(look)));
    } catch (HypercallException refused) {
      LOG.log(
          Level.WARNING,
          "xenstore will not learn by itself of domains that end, only by RELEASE: "
              + refused.getMessage());
      return Optional.empty();
    }
  }

  private static void look(Control control, Store store) {
    for (IntroducedDomain introduced : store.introduced()) {
      Optional<DomainInfo.State> state;
      try {
        state = control.domain(introduced.domid()).map(DomainInfo::state);
      } catch (HypercallException notOurs) {
        LOG.log(Level.DEBUG, "left to the toolstack's RELEASE: domid={0}", introduced.domid());
        continue;
      }
      if (state.isEmpty() || state.get() == DomainInfo.State.DYING) {
        store.gone(introduced);
      } else if (state.get() == DomainInfo.State.SHUTDOWN) {
        store.hasShutDown(introduced);
      }
    }
  }
}
