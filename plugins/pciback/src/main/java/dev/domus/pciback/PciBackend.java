package dev.domus.pciback;

import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.Worker;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * All guests that have devices. The toolstack enters each in {@code backend/pci/GUEST/0} of the
 * backend's directory, and takes it out when the guest has gone. All work is done by one worker:
 * requests are few, and a device that is slow makes nobody wait but those who configure devices.
 */
final class PciBackend implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(PciBackend.class.getName());
  private static final String TOKEN = "pciback";

  private final ServiceDomain domain;
  private final StoreConnection store;
  private final Functions functions;
  private final String base;
  private final Worker worker;
  private final AtomicBoolean lookAsked = new AtomicBoolean();

  /** By domain id. The worker's. */
  private final Map<Integer, Served> served = new HashMap<>();

  /** A guest, and the watched directory of its end. */
  private record Served(GuestBackend backend, String frontend) {}

  /**
   * Makes a backend.
   *
   * @param store closed with it
   */
  PciBackend(ServiceDomain domain, StoreConnection store, Functions functions) {
    this.domain = domain;
    this.store = store;
    this.functions = functions;
    base = "/local/domain/" + domain.domid() + "/backend/pci";
    worker = domain.worker("pciback");
  }

  void start() {
    store.watch(base, TOKEN, this::changed);
  }

  private void changed(String path, String token) {
    if (lookAsked.compareAndSet(false, true)) {
      worker.execute(this::look);
    }
  }

  private void look() {
    lookAsked.set(false);
    Set<Integer> present = new HashSet<>();
    for (String name : store.directory(StoreConnection.NO_TRANSACTION, base)) {
      try {
        int guest = Integer.parseInt(name);
        if (look(guest)) {
          present.add(guest);
        }
      } catch (NumberFormatException e) {
        LOG.log(Level.DEBUG, "not a domain: {0}/{1}", base, name);
      }
    }
    for (int guest : Set.copyOf(served.keySet())) {
      if (!present.contains(guest)) {
        end(served.remove(guest));
      }
    }
  }

  /** Returns whether the guest has devices. */
  private boolean look(int guest) {
    BackendNodes nodes = new BackendNodes(store, base + "/" + guest + "/0", guest);
    Optional<String> frontend = nodes.frontend();
    if (frontend.isEmpty()) {
      return false;
    }
    Served entry = served.get(guest);
    if (entry == null) {
      entry =
          new Served(
              new GuestBackend(guest, domain.hypercalls(), functions, worker, nodes),
              frontend.get());
      served.put(guest, entry);
      store.watch(frontend.get() + "/state", TOKEN, this::changed);
    }
    entry.backend.look();
    return true;
  }

  private void end(Served entry) {
    try {
      store.unwatch(entry.frontend + "/state", TOKEN);
    } catch (StoreException gone) {
      LOG.log(Level.DEBUG, "no watch on {0}: {1}", entry.frontend, gone.getMessage());
    }
    entry.backend.close();
  }

  /** Lets go of all guests. */
  @Override
  public void close() {
    worker.call(() -> {
      served.values().forEach(this::end);
      served.clear();
    });
    worker.close();
    store.close();
  }
}
