package dev.domus.toolstack.life;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Services;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.Worker;
import dev.domus.toolstack.BadInputException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class PvDevicesTest {
  private static final String BACKEND = "/local/domain/3/backend/vbd/5/51712";
  private static final String FRONTEND = "/local/domain/5/device/vbd/51712";
  private static final PvDevice DISK =
      new PvDevice(
          "vbd", "block", 51712, Map.of("params", "/disk.img"), Map.of("virtual-device", "51712"));

  private final Store store = new Store();
  private final PvDevices devices = new PvDevices(store, 5, "guest", Duration.ofMillis(50));

  /** A store whose watches fire in the thread that writes, and a backend that answers in it. */
  private static final class Store implements StoreConnection {
    final Map<String, String> values = new TreeMap<>();
    final Map<String, List<String>> permissions = new TreeMap<>();
    final Map<String, WatchCallback> watches = new TreeMap<>();
    String status = "connected";
    boolean lettingGo = true;

    @Override
    public Optional<String> read(int transaction, String path) {
      return Optional.ofNullable(values.get(path));
    }

    @Override
    public void write(int transaction, String path, String value) {
      values.put(path, value);
      if (path.equals(BACKEND + "/params") && !status.isEmpty()) {
        values.put(BACKEND + "/hotplug-error", "/disk.img: is no disk; give one");
        values.put(BACKEND + "/hotplug-status", status);
      }
      if (path.equals(BACKEND + "/state") && value.equals("5") && lettingGo) {
        values.put(path, "6");
      }
    }

    @Override
    public void mkdir(int transaction, String path) {
      values.put(path, "");
    }

    @Override
    public void remove(int transaction, String path) {
      values.keySet().removeIf(node -> node.equals(path) || node.startsWith(path + "/"));
    }

    @Override
    public List<String> directory(int transaction, String path) {
      return new ArrayList<>();
    }

    @Override
    public void setPermissions(int transaction, String path, List<String> wanted) {
      permissions.put(path, wanted);
    }

    @Override
    public int begin() {
      return 1;
    }

    @Override
    public boolean end(int transaction, boolean commit) {
      return true;
    }

    @Override
    public void watch(String path, String token, WatchCallback callback) {
      watches.put(path, callback);
      callback.fired(path, token);
    }

    @Override
    public void unwatch(String path, String token) {
      watches.remove(path);
    }

    @Override
    public void introduce(int domid, long ringMfn, int port) {}

    @Override
    public void release(int domid) {}

    @Override
    public void close() {}
  }

  /** The domain that serves disks, as far as the nodes go by it. */
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
      throw new UnsupportedOperationException();
    }

    @Override
    public Services services() {
      throw new UnsupportedOperationException();
    }
  }

  @Test
  void eachHalfIsItsEndsAndTheOtherMayReadIt() throws Exception {
    devices.attach(DISK, new Backend(3));
    assertEquals("/disk.img", store.values.get(BACKEND + "/params"));
    assertEquals(FRONTEND, store.values.get(BACKEND + "/frontend"));
    assertEquals(BACKEND, store.values.get(FRONTEND + "/backend"));
    assertEquals("3", store.values.get(FRONTEND + "/backend-id"));
    assertEquals("51712", store.values.get(FRONTEND + "/virtual-device"));
    assertEquals(List.of("n3", "r5"), store.permissions.get(BACKEND + "/params"));
    assertEquals(List.of("n5", "r3"), store.permissions.get(FRONTEND + "/state"));
    assertEquals(List.of("n3"), store.permissions.get("/local/domain/3/backend"));
    assertEquals(List.of(DISK), devices.list());
    assertEquals(Map.of(), store.watches);
  }

  @Test
  void whatTheBackendCannotServeIsReportedInItsWordsAndLeavesNothing() {
    store.status = "error";
    BadInputException bad = attachFails();
    assertEquals("/disk.img: is no disk; give one", bad.getMessage());
    store.status = "";
    bad = attachFails();
    assertTrue(bad.getMessage().contains("the block service has not said"), bad.getMessage());
  }

  private BadInputException attachFails() {
    BadInputException bad =
        assertThrows(BadInputException.class, () -> devices.attach(DISK, new Backend(3)));
    assertFalse(store.values.containsKey(BACKEND), store.values::toString);
    assertFalse(store.values.containsKey(FRONTEND), store.values::toString);
    assertEquals(List.of(), devices.list());
    return bad;
  }

  @Test
  void twoDevicesCannotHaveOneNumber() throws Exception {
    devices.attach(DISK, new Backend(3));
    BadInputException bad =
        assertThrows(BadInputException.class, () -> devices.attach(DISK, new Backend(3)));
    assertTrue(bad.getMessage().contains("has a vbd 51712 already"), bad.getMessage());
    assertEquals("connected", store.values.get(BACKEND + "/hotplug-status"));
  }

  @Test
  void aDeviceGoesWhenBothEndsHaveLetGo() throws Exception {
    devices.attach(DISK, new Backend(3));
    devices.detach("vbd", 51712, false);
    assertFalse(store.values.containsKey(BACKEND), store.values::toString);
    assertFalse(store.values.containsKey(FRONTEND), store.values::toString);
    BadInputException bad =
        assertThrows(BadInputException.class, () -> devices.detach("vbd", 51712, true));
    assertEquals("domain guest has no vbd 51712; it has: none", bad.getMessage());
  }

  @Test
  void aGuestThatKeepsADeviceLosesItByForceOnly() throws Exception {
    store.lettingGo = false;
    devices.attach(DISK, new Backend(3));
    BadInputException bad =
        assertThrows(BadInputException.class, () -> devices.detach("vbd", 51712, false));
    assertTrue(bad.getMessage().contains("--force"), bad.getMessage());
    assertEquals(List.of(DISK), devices.list());
    devices.detach("vbd", 51712, true);
    assertEquals(List.of(), devices.list());
    assertFalse(store.values.containsKey(BACKEND), store.values::toString);
  }

  @Test
  void theEndOfAGuestIsTheEndOfItsDevices() throws Exception {
    devices.attach(DISK, new Backend(3));
    devices.close();
    assertFalse(store.values.containsKey(BACKEND), store.values::toString);
    assertEquals(List.of(), devices.list());
  }
}
