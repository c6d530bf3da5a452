package dev.domus.toolstack.life;

import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.toolstack.BadInputException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * A guest's paravirtualized devices: disks, network interfaces, whatever a backend serves.
 * Toolstack and backend speak through xenstore alone, in libxl's nodes, so that a backend may be
 * anybody's and run in any domain.
 *
 * <p>A device begins with both halves written in one transaction. The backend opens what its half
 * names and says so in {@code hotplug-status}: {@code connected}, or {@code error} with a sentence
 * in {@code hotplug-error}; only then is the device the guest's. It ends with the toolstack's wish
 * ({@code online} 0, state Closing), the guest's driver letting go, then the backend (state
 * Closed), and both halves removed. A guest that has gone is not asked.
 *
 * <p>Permissions: each half is its end's, and the other end may read it. So a guest can lie about
 * its own state and its rings, and about nothing else.
 *
 * <p>Thread-safe: one call at a time.
 */
final class PvDevices {
  private static final int NONE = StoreConnection.NO_TRANSACTION;
  private static final String INITIALISING = "1", CLOSING = "5", CLOSED = "6";

  /**
   * How long a backend may take to open what it is given or to say that it cannot, and a guest and
   * its backend to let go of it.
   */
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final StoreConnection store;
  private final int domid;
  private final String name;
  private final Duration patience;

  /** What the guest has, by kind and number. */
  private final Map<String, Nodes> devices = new LinkedHashMap<>();

  /** Where the halves of a device are. */
  private record Nodes(PvDevice device, String backend, String frontend) {}

  /**
   * Makes the devices of a guest that has none yet.
   *
   * @param name what the guest is called
   */
  PvDevices(StoreConnection store, int domid, String name) {
    this(store, domid, name, PATIENCE);
  }

  /** The same, with another patience for backends and guests. */
  PvDevices(StoreConnection store, int domid, String name, Duration patience) {
    this.store = store;
    this.domid = domid;
    this.name = name;
    this.patience = patience;
  }

  /**
   * Gives the guest a device, whether or not it runs. Returns when the backend is ready for it.
   *
   * @param backend the domain in which the device's service runs
   * @throws BadInputException if the guest has one of that number, or the backend cannot serve it;
   *     nothing is left of it then
   */
  synchronized void attach(PvDevice device, ServiceDomain backend)
      throws BadInputException, InterruptedException {
    if (devices.containsKey(device.label())) {
      throw new BadInputException(
          "domain %s has a %s already; choose another number".formatted(name, device.label()));
    }
    String end = device.kind() + "/" + domid + "/" + device.devid();
    Nodes nodes =
        new Nodes(
            device,
            "/local/domain/" + backend.domid() + "/backend/" + end,
            "/local/domain/" + domid + "/device/" + device.kind() + "/" + device.devid());
    StoreNodes.inTransaction(store, transaction -> write(transaction, nodes, backend));
    boolean ready = false;
    try {
      awaitBackend(nodes);
      ready = true;
    } finally {
      if (!ready) {
        remove(nodes);
      }
    }
    devices.put(device.label(), nodes);
  }

  private void write(int transaction, Nodes nodes, ServiceDomain backend) {
    if (backend.domid() != 0) {
      StoreNodes.writeServiceDomain(store, transaction, backend);
    }
    PvDevice device = nodes.device();
    Half its = new Half(transaction, nodes.frontend(), List.of("n" + domid, "r" + backend.domid()));
    its.write("", "");
    its.write("backend", nodes.backend());
    its.write("backend-id", Integer.toString(backend.domid()));
    its.write("state", INITIALISING);
    device.frontend().forEach(its::write);
    Half ours = new Half(transaction, nodes.backend(), List.of("n" + backend.domid(), "r" + domid));
    ours.write("", "");
    ours.write("frontend", nodes.frontend());
    ours.write("frontend-id", Integer.toString(domid));
    ours.write("online", "1");
    ours.write("domain", name);
    ours.write("state", INITIALISING);
    device.backend().forEach(ours::write);
  }

  /** One half under way of being written. */
  private final class Half {
    private final int transaction;
    private final String home;
    private final List<String> permissions;

    Half(int transaction, String home, List<String> permissions) {
      this.transaction = transaction;
      this.home = home;
      this.permissions = permissions;
    }

    void write(String node, String value) {
      String path = node.isEmpty() ? home : home + "/" + node;
      store.write(transaction, path, value);
      store.setPermissions(transaction, path, permissions);
    }
  }

  private void awaitBackend(Nodes nodes) throws BadInputException, InterruptedException {
    PvDevice device = nodes.device();
    Optional<String> status = await(nodes.backend() + "/hotplug-status", value -> !value.isEmpty());
    if (status.isEmpty()) {
      throw new BadInputException(
          "%s of domain %s: the %s service has not said within %d s whether it can be had"
              .formatted(device.label(), name, device.service(), patience.toSeconds()));
    }
    if (status.get().equals("error")) {
      throw new BadInputException(
          store
              .read(NONE, nodes.backend() + "/hotplug-error")
              .orElse("%s of domain %s cannot be had".formatted(device.label(), name)));
    }
  }

  /** Waits for a node to have a value; returns it, or nothing if the time has passed. */
  private Optional<String> await(String path, Predicate<String> wanted)
      throws InterruptedException {
    CountDownLatch there = new CountDownLatch(1);
    String token = "await " + path;
    store.watch(
        path,
        token,
        (changed, same) -> {
          if (store.read(NONE, path).filter(wanted).isPresent()) {
            there.countDown();
          }
        });
    try {
      return there.await(patience.toMillis(), TimeUnit.MILLISECONDS)
          ? store.read(NONE, path).filter(wanted)
          : Optional.empty();
    } finally {
      store.unwatch(path, token);
    }
  }

  /**
   * Takes a device back.
   *
   * @param force whether it is taken from a guest that does not let go; else that is an error, and
   *     the guest keeps it
   * @throws BadInputException if the guest has no such device, or keeps it
   */
  synchronized void detach(String kind, int devid, boolean force)
      throws BadInputException, InterruptedException {
    String label = kind + " " + devid;
    Nodes nodes = devices.get(label);
    if (nodes == null) {
      throw new BadInputException(
          "domain %s has no %s; it has: %s"
              .formatted(
                  name, label, devices.isEmpty() ? "none" : String.join(", ", devices.keySet())));
    }
    askToClose(nodes);
    if (await(nodes.backend() + "/state", CLOSED::equals).isEmpty() && !force) {
      throw new BadInputException(
          "domain %s has not let go of %s within %d s; --force takes it away"
              .formatted(name, label, patience.toSeconds()));
    }
    devices.remove(label);
    remove(nodes);
  }

  private void askToClose(Nodes nodes) {
    StoreNodes.inTransaction(
        store,
        transaction -> {
          store.write(transaction, nodes.backend() + "/online", "0");
          store.write(transaction, nodes.backend() + "/state", CLOSING);
        });
  }

  private void remove(Nodes nodes) {
    StoreNodes.inTransaction(
        store,
        transaction -> {
          removeIfThere(transaction, nodes.frontend());
          removeIfThere(transaction, nodes.backend());
        });
  }

  /** What a guest owned goes with it when the store releases it. */
  private void removeIfThere(int transaction, String path) {
    if (store.read(transaction, path).isPresent()) {
      store.remove(transaction, path);
    }
  }

  /** What the guest has, in the order in which it got it. */
  synchronized List<PvDevice> list() {
    return devices.values().stream().map(Nodes::device).toList();
  }

  /**
   * The guest has gone: its backends close what they have open. Returns when they have, or after
   * some seconds.
   */
  synchronized void close() {
    devices.values().forEach(this::askToClose);
    for (Nodes nodes : devices.values()) {
      try {
        await(nodes.backend() + "/state", CLOSED::equals);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      remove(nodes);
    }
    devices.clear();
  }
}
