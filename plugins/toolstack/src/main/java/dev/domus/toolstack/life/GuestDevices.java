package dev.domus.toolstack.life;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.toolstack.BadInputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A guest's PCI devices: given to it by the hypervisor, and shown to it through xenstore, where the
 * PCI backend and the guest's driver find one another.
 *
 * <p>Order at attaching: the device is the guest's before it is shown. At detaching the guest is
 * asked to let go; it is taken from it when it has, or when it has not answered in time, for a
 * device that is taken away harms nobody but its driver.
 *
 * <p>The nodes are libxl's: numbered devices below {@code backend/pci/GUEST/0}, of which none is
 * forgotten as long as the guest lives. Not thread-safe.
 */
final class GuestDevices {
  private static final int NONE = StoreConnection.NO_TRANSACTION;
  private static final String INITIALISING = "1", CLOSING = "5", CLOSED = "6", RECONFIGURING = "7";
  private static final String CONNECTED = "4";
  private static final String WATCH = "detach";

  /** How long a guest may take to let go of a device. */
  private static final long PATIENCE_SECONDS = 10;

  private final Control control;
  private final StoreConnection store;
  private final int domid;
  private final String name;
  private final String backend;
  private final String frontend;

  /** By number; empty where a device was. */
  private final List<Optional<RequesterId>> devices = new ArrayList<>();

  GuestDevices(Control control, StoreConnection store, int domid, String name) {
    this.control = control;
    this.store = store;
    this.domid = domid;
    this.name = name;
    backend = "/local/domain/0/backend/pci/" + domid + "/0";
    frontend = "/local/domain/" + domid + "/device/pci/0";
  }

  /** Gives the guest a device of the machine that is nobody's. */
  void attach(RequesterId id) throws BadInputException {
    PciDevice device = find(id);
    control.assignDevice(domid, id);
    for (PciDevice.Region region : device.regions()) {
      control.permitIoMemory(domid, region.firstFrame(), region.frames(), true);
    }
    if (devices.isEmpty()) {
      writeConnection();
    }
    int number = devices.size();
    devices.add(Optional.of(id));
    write("dev-" + number, "0000:" + id);
    write("opts-" + number, "msitranslate=0,power_mgmt=0,permissive=0");
    write("state-" + number, INITIALISING);
    write("num_devs", Integer.toString(devices.size()));
    askForLook();
  }

  private PciDevice find(RequesterId id) throws BadInputException {
    return control.pciDevices().stream()
        .filter(device -> device.id().equals(id))
        .findFirst()
        .orElseThrow(() ->
            new BadInputException(
                "the machine has no device at %s; \"run --device\" puts one there".formatted(id)));
  }

  private void writeConnection() {
    List<String> its = List.of("n" + domid, "r0");
    node(frontend, "", its);
    node(frontend + "/backend", backend, its);
    node(frontend + "/backend-id", "0", its);
    node(frontend + "/state", INITIALISING, its);
    write("", "");
    write("frontend-id", Integer.toString(domid));
    write("online", "1");
    write("domain", name);
    write("state", INITIALISING);
    write("frontend", frontend); // last: the backend goes by it
  }

  /** Takes a device back. */
  void detach(RequesterId id) throws BadInputException, InterruptedException {
    int number = devices.indexOf(Optional.of(id));
    if (number < 0) {
      throw new BadInputException(
          "domain %s has no device %s; it has: %s".formatted(name, id, listed()));
    }
    if (isConnected()) {
      CountDownLatch gone = new CountDownLatch(1);
      String state = backend + "/state-" + number;
      write("state-" + number, CLOSING);
      store.watch(
          state,
          WATCH,
          (path, token) -> {
            if (store.read(NONE, state).filter(CLOSED::equals).isPresent()) {
              gone.countDown();
            }
          });
      askForLook();
      gone.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
      store.unwatch(state, WATCH);
    }
    control.deassignDevice(domid, id);
    devices.set(number, Optional.empty());
    for (String node : List.of("dev-", "opts-", "vdev-")) {
      store.remove(NONE, backend + "/" + node + number);
    }
    write("state-" + number, CLOSED);
  }

  private String listed() {
    List<String> ids = new ArrayList<>();
    devices.forEach(device -> device.ifPresent(present -> ids.add(present.toString())));
    return ids.isEmpty() ? "none" : String.join(", ", ids);
  }

  private boolean isConnected() {
    return store.read(NONE, backend + "/state").filter(CONNECTED::equals).isPresent();
  }

  /** Has both ends look at the list, if they are connected; else they will when they connect. */
  private void askForLook() {
    if (isConnected()) {
      write("state", RECONFIGURING);
    }
  }

  /** The guest has gone. */
  void removeNodes() {
    if (!devices.isEmpty()) {
      store.remove(NONE, "/local/domain/0/backend/pci/" + domid);
    }
  }

  private void write(String path, String value) {
    node(path.isEmpty() ? backend : backend + "/" + path, value, List.of("n0", "r" + domid));
  }

  private void node(String path, String value, List<String> permissions) {
    store.write(NONE, path, value);
    store.setPermissions(NONE, path, permissions);
  }
}
