package dev.domus.toolstack.life;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Services;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.Worker;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.build.BuiltDomain;
import dev.domus.toolstack.image.TestImage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class StoreNodesTest {
  private static final String HOME = "/local/domain/5/";

  private final Store store = new Store();
  private GuestConfig config;
  private StoreNodes nodes;

  /** A store that keeps what was written in transactions that were committed. */
  private static final class Store implements StoreConnection {
    final Map<String, String> values = new TreeMap<>();
    final Map<String, List<String>> permissions = new TreeMap<>();
    final List<String> removed = new ArrayList<>();
    int conflicts;
    int transactions;
    int aborted;
    String refused = "";

    @Override
    public Optional<String> read(int transaction, String path) {
      return Optional.ofNullable(values.get(path));
    }

    @Override
    public void write(int transaction, String path, String value) {
      assertEquals(transactions, transaction);
      if (path.equals(refused)) {
        throw new StoreException("ENOSPC", "write " + path);
      }
      values.put(path, value);
    }

    @Override
    public void mkdir(int transaction, String path) {
      write(transaction, path, "");
    }

    @Override
    public void remove(int transaction, String path) {
      removed.add(path);
    }

    @Override
    public List<String> directory(int transaction, String path) {
      return List.of();
    }

    @Override
    public void setPermissions(int transaction, String path, List<String> wanted) {
      assertEquals(transactions, transaction);
      permissions.put(path, wanted);
    }

    @Override
    public int begin() {
      return ++transactions;
    }

    @Override
    public boolean end(int transaction, boolean commit) {
      if (!commit) {
        aborted++;
        values.clear();
        return true;
      }
      return conflicts-- <= 0;
    }

    @Override
    public void watch(String path, String token, WatchCallback callback) {}

    @Override
    public void unwatch(String path, String token) {}

    @Override
    public void introduce(int domid, long ringMfn, int port) {}

    @Override
    public void release(int domid) {}

    @Override
    public void close() {}
  }

  @BeforeEach
  void prepare() throws BadInputException {
    config =
        new GuestConfig(
            "guest",
            new UUID(1, 2),
            TestImage.good().read(),
            Optional.empty(),
            "",
            16384,
            2,
            "jvm",
            "Pool-0",
            256,
            0,
            false);
    nodes = new StoreNodes(store, 5, config, new Backend(0));
  }

  /** The domain that serves the console, as far as its nodes need to know. */
  private record Backend(int domid) implements ServiceDomain {
    @Override
    public String name() {
      return "drivers";
    }

    @Override
    public Hypercalls hypercalls() {
      throw new UnsupportedOperationException();
    }

    @Override
    public Worker worker(String name) {
      throw new AssertionError("no service runs here: worker=" + name);
    }

    @Override
    public Services services() {
      throw new UnsupportedOperationException();
    }
  }

  @Test
  void aConsoleInADriverDomainIsTheDriverDomainsToServe() {
    nodes = new StoreNodes(store, 5, config, new Backend(3));
    write();
    String home = "/local/domain/5/";
    String backend = "/local/domain/3/backend/console/5/0";
    assertEquals(backend, store.values.get(home + "console/backend"));
    assertEquals("3", store.values.get(home + "console/backend-id"));
    assertEquals(home + "console", store.values.get(backend + "/frontend"));
    assertEquals("drivers", store.values.get("/local/domain/3/name"));
    List<String> readable = List.of("n0", "r5", "r3");
    for (String node : List.of("vm", "console/port", "console/ring-ref", "console/backend-id")) {
      assertEquals(readable, store.permissions.get(home + node), node);
    }
    assertEquals(List.of("n0", "r5"), store.permissions.get(home + "name"), "not its business");
    assertEquals(List.of("n3", "r5"), store.permissions.get(backend + "/frontend"));
    assertEquals(List.of("n3"), store.permissions.get("/local/domain/3/backend"));
  }

  private void write() {
    nodes.write(config, new BuiltDomain(5, 0x1111, 1, 0x2222, 2));
  }

  @Test
  void theGuestFindsWhatItLooksFor() {
    write();
    Map.of(
            "name", "guest",
            "domid", "5",
            "memory/target", "65536",
            "cpu/1/availability", "online",
            "store/port", "1",
            "store/ring-ref", "4369",
            "console/port", "2",
            "console/ring-ref", "8738",
            "console/type", "xenconsoled",
            "control/platform-feature-xs_reset_watches", "1")
        .forEach((path, value) -> assertEquals(value, store.values.get(HOME + path), path));
    assertEquals("/vm/00000000-0000-0001-0000-000000000002", store.values.get(HOME + "vm"));
    assertTrue(store.values.containsKey(HOME + "device"));
  }

  @Test
  void theGuestOwnsWhatItWritesAndOnlyReadsTheRest() {
    write();
    assertEquals(
        store.values.keySet(), store.permissions.keySet(), "each node has permissions of its own");
    for (String own :
        List.of("device", "data", "error", "control/shutdown", "control/feature-poweroff")) {
      assertEquals(List.of("n5"), store.permissions.get(HOME + own), own);
    }
    for (String foreign :
        List.of(
            "domid",
            "console/ring-ref",
            "store/ring-ref",
            "control",
            "memory/target",
            "cpu/0/availability")) {
      assertEquals(List.of("n0", "r5"), store.permissions.get(HOME + foreign), foreign);
    }
  }

  @Test
  void aTransactionThatMetAnotherIsDoneAgain() {
    store.conflicts = 2;
    write();
    assertEquals(3, store.transactions);
  }

  @Test
  void aTransactionThatFailsIsGivenUp() {
    store.refused = HOME + "console/tty";
    assertThrows(StoreException.class, this::write);
    assertEquals(1, store.aborted);
    assertTrue(store.values.isEmpty());
  }

  @Test
  void nothingStaysWhenItIsRemoved() {
    write();
    nodes.remove();
    for (String path : store.values.keySet()) {
      assertTrue(
          store.removed.stream().anyMatch(root -> path.equals(root) || path.startsWith(root + "/")),
          path);
    }
  }
}
