package dev.domus.net;

import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.Worker;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * All interfaces. The toolstack enters each in {@code backend/vif/GUEST/DEVID} of the backend's
 * directory, and takes it out in the end. One worker follows states; a few others carry packets
 * ({@link QueueWorker}), as many as there are processors, whatever the number of guests.
 */
final class NetBackend implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(NetBackend.class.getName());
  private static final String TOKEN = "net";
  private static final int MOST_WORKERS = 4;

  private final ServiceDomain domain;
  private final StoreConnection store;
  private final String base;
  private final Worker worker;
  private final List<QueueWorker> queueWorkers = new ArrayList<>();
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("net-timer").factory());
  private final Uplinks uplinks;
  private final AtomicBoolean lookAsked = new AtomicBoolean();

  /** By path of the backend's half. The worker's. */
  private final Map<String, Served> served = new HashMap<>();

  /** An interface, and the watched directory of the guest's half. */
  private record Served(VifBackend backend, String frontend) {}

  /**
   * Makes a backend.
   *
   * @param store closed with it
   */
  NetBackend(ServiceDomain domain, StoreConnection store) {
    this.domain = domain;
    this.store = store;
    base = "/local/domain/" + domain.domid() + "/backend/vif";
    worker = domain.worker("net");
    uplinks = new Uplinks();
  }

  /** Made when there is something to carry: a machine without networks has none. */
  private List<QueueWorker> queueWorkers() {
    if (queueWorkers.isEmpty()) {
      int workers = Math.clamp(Runtime.getRuntime().availableProcessors(), 1, MOST_WORKERS);
      for (int i = 0; i < workers; i++) {
        queueWorkers.add(new QueueWorker(domain, i));
      }
    }
    return queueWorkers;
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
    Set<String> present = new HashSet<>();
    for (int guest : numbers(base)) {
      for (int devid : numbers(base + "/" + guest)) {
        String path = base + "/" + guest + "/" + devid;
        if (look(path, guest, devid)) {
          present.add(path);
        }
      }
    }
    for (String path : Set.copyOf(served.keySet())) {
      if (!present.contains(path)) {
        end(served.remove(path));
      }
    }
  }

  private List<Integer> numbers(String path) {
    List<Integer> numbers = new ArrayList<>();
    try {
      for (String name : store.directory(StoreConnection.NO_TRANSACTION, path)) {
        if (name.matches("[0-9]{1,9}")) {
          numbers.add(Integer.valueOf(name));
        } else {
          LOG.log(Level.DEBUG, "not a number: {0}/{1}", path, name);
        }
      }
    } catch (StoreException notYet) {
      LOG.log(Level.DEBUG, "no interfaces: {0}", notYet.getMessage());
    }
    return numbers;
  }

  /** Returns whether there is an interface. */
  private boolean look(String path, int guest, int devid) {
    VifNodes nodes = new VifNodes(store, path, guest, devid);
    Optional<String> frontend = nodes.frontend();
    if (frontend.isEmpty()) {
      return false;
    }
    Served entry = served.get(path);
    if (entry == null) {
      entry =
          new Served(new VifBackend(domain, nodes, uplinks, queueWorkers(), timer), frontend.get());
      served.put(path, entry);
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

  /** Lets go of all interfaces, and leaves their nodes as they are. */
  @Override
  public void close() {
    worker.call(() -> {
      served.values().forEach(this::end);
      served.clear();
    });
    worker.close();
    timer.shutdownNow();
    uplinks.close();
    queueWorkers.forEach(QueueWorker::close);
    store.close();
  }
}
