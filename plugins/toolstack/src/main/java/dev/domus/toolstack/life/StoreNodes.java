package dev.domus.toolstack.life;

import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.toolstack.build.BuiltDomain;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * The nodes of xenstore that a guest finds when it starts (xen-pv-abi.md, 15.3), and their removal
 * when it has gone.
 *
 * <p>Permissions: a guest may read its directory, and owns only what the protocol has it write:
 * {@code device}, {@code data}, its answers under {@code control}, and the like. Everything else is
 * domain 0's, so that a guest cannot, say, point its console at another domain's ring. A driver
 * domain that serves the console may read what the guest has of it, and owns its own half, in its
 * directory {@code backend}.
 */
final class StoreNodes {
  /** Nodes that are the guest's own, below its directory. */
  private static final List<String> GUESTS =
      List.of(
          "device",
          "device/suspend",
          "device/suspend/event-channel",
          "control/shutdown",
          "control/feature-poweroff",
          "control/feature-reboot",
          "control/feature-suspend",
          "control/sysrq",
          "data",
          "drivers",
          "feature",
          "attr",
          "error");

  /** Nodes that tell the guest what the toolstack can do. */
  private static final List<String> PLATFORM_FEATURES =
      List.of(
          "control/platform-feature-multiprocessor-suspend",
          "control/platform-feature-xs_reset_watches");

  /** What consoles keep of their output where they keep it, in bytes; libxl's value. */
  private static final String CONSOLE_LIMIT = "1048576";

  private static final int KIB_A_PAGE = 4;

  private final StoreConnection store;
  private final int domid;
  private final String home;
  private final String vm;
  private final String consoleBackend;
  private final ServiceDomain consoleDomain;
  private final List<String> readable;
  private final List<String> console;
  private final List<String> backend;
  private final List<String> guests;
  private int transaction;

  /**
   * Makes the nodes of a guest.
   *
   * @param consoleDomain the domain that serves its console
   */
  StoreNodes(StoreConnection store, int domid, GuestConfig config, ServiceDomain consoleDomain) {
    this.store = store;
    this.domid = domid;
    home = "/local/domain/" + domid;
    vm = "/vm/" + config.uuid();
    this.consoleDomain = consoleDomain;
    int backendDomid = consoleDomain.domid();
    consoleBackend = "/local/domain/" + backendDomid + "/backend/console/" + domid;
    readable = List.of("n0", "r" + domid);
    console = backendDomid == 0 ? readable : List.of("n0", "r" + domid, "r" + backendDomid);
    backend = List.of("n" + backendDomid, "r" + domid);
    guests = List.of("n" + domid);
  }

  /** Writes all nodes in one transaction. */
  void write(GuestConfig config, BuiltDomain built) {
    inTransaction(() -> {
      node(vm, "", readable);
      node(vm + "/name", config.name(), readable);
      node(vm + "/uuid", config.uuid().toString(), readable);

      node(home, "", readable);
      node(home + "/vm", vm, console);
      home("name", config.name());
      home("domid", Integer.toString(domid));
      long memoryKib = config.pages() * KIB_A_PAGE;
      home("memory/static-max", Long.toString(memoryKib));
      home("memory/target", Long.toString(memoryKib));
      home("memory/videoram", "0");
      for (int vcpu = 0; vcpu < config.vcpus(); vcpu++) {
        home("cpu/" + vcpu + "/availability", "online");
      }
      home("control", "");
      for (String feature : PLATFORM_FEATURES) {
        home(feature, "1");
      }
      for (String path : GUESTS) {
        node(home + "/" + path, "", guests);
      }
      home("store/port", Integer.toString(built.storePort()));
      home("store/ring-ref", Long.toString(built.storeMfn()));
      writeConsole(built);
    });
  }

  private void writeConsole(BuiltDomain built) {
    console("backend", consoleBackend + "/0");
    console("backend-id", Integer.toString(consoleDomain.domid()));
    console("limit", CONSOLE_LIMIT);
    console("type", "xenconsoled");
    console("output", "pty");
    console("tty", "");
    console("port", Integer.toString(built.consolePort()));
    console("ring-ref", Long.toString(built.consoleMfn()));

    if (consoleDomain.domid() != 0) {
      writeServiceDomain(store, transaction, consoleDomain);
    }
    backend("", "");
    backend("/frontend", home + "/console");
    backend("/frontend-id", Integer.toString(domid));
    backend("/online", "1");
    backend("/state", "1");
    backend("/protocol", "vt100");
  }

  /** A driver domain's own directory; the same whichever guest comes first. */
  static void writeServiceDomain(StoreConnection store, int transaction, ServiceDomain domain) {
    String directory = "/local/domain/" + domain.domid();
    List<String> itsOwn = List.of("n0", "r" + domain.domid());
    node(store, transaction, directory, "", itsOwn);
    node(store, transaction, directory + "/name", domain.name(), itsOwn);
    node(store, transaction, directory + "/domid", Integer.toString(domain.domid()), itsOwn);
    node(store, transaction, directory + "/backend", "", List.of("n" + domain.domid()));
  }

  private void console(String path, String value) {
    node(home + "/console/" + path, value, console);
  }

  private void backend(String path, String value) {
    node(consoleBackend + "/0" + path, value, backend);
  }

  /** Removes all nodes. */
  void remove() {
    inTransaction(() -> {
      store.remove(transaction, home);
      store.remove(transaction, vm);
      store.remove(transaction, consoleBackend);
    });
  }

  private void home(String path, String value) {
    node(home + "/" + path, value, readable);
  }

  private void node(String path, String value, List<String> permissions) {
    node(store, transaction, path, value, permissions);
  }

  private static void node(
      StoreConnection store, int transaction, String path, String value, List<String> permissions) {
    store.write(transaction, path, value);
    store.setPermissions(transaction, path, permissions);
  }

  private void inTransaction(Runnable work) {
    inTransaction(
        store,
        begun -> {
          transaction = begun;
          work.run();
        });
  }

  /**
   * Others write to the store too: a transaction that met one of them is done again.
   *
   * @param work what is done, given the transaction's id
   */
  static void inTransaction(StoreConnection store, IntConsumer work) {
    int transaction;
    do {
      transaction = store.begin();
      try {
        work.accept(transaction);
      } catch (RuntimeException e) {
        store.end(transaction, false);
        throw e;
      }
    } while (!store.end(transaction, true));
  }
}
