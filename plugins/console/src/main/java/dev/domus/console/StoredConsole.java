package dev.domus.console;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What xenstore says of guests' consoles (xen-pv-abi.md, 15.3). */
record StoredConsole(StoreConnection store) {
  static final String DOMAINS = "/local/domain";

  private static final System.Logger LOG = System.getLogger(StoredConsole.class.getName());

  /** The domains that have nodes below a path. */
  List<Integer> domains(String path) {
    List<Integer> domids = new ArrayList<>();
    for (String name : store.directory(StoreConnection.NO_TRANSACTION, path)) {
      try {
        domids.add(Integer.valueOf(name));
      } catch (NumberFormatException e) {
        LOG.log(Level.DEBUG, "not a domain: {0}/{1}", path, name);
      }
    }
    return domids;
  }

  /** The port of a guest's console, if it has one and a certain domain is to serve it. */
  Optional<Integer> port(int domid, int backendDomid) {
    String console = DOMAINS + "/" + domid + "/console/";
    try {
      boolean served =
          text(console + "ring-ref").isPresent()
              && text(console + "type").orElse("xenconsoled").equals("xenconsoled")
              && text(console + "backend-id").map(Integer::valueOf).orElse(0) == backendDomid;
      return served ? text(console + "port").map(Integer::valueOf) : Optional.empty();
    } catch (StoreException | NumberFormatException unusable) {
      LOG.log(Level.WARNING, "no console for domain " + domid + ": " + unusable.getMessage());
      return Optional.empty();
    }
  }

  /** A node's value, if it has one. */
  Optional<String> text(String path) {
    return store.read(StoreConnection.NO_TRANSACTION, path).filter(value -> !value.isEmpty());
  }
}
