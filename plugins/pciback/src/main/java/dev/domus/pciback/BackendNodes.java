package dev.domus.pciback;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What xenstore says of one guest's PCI devices, below {@code backend/pci/GUEST/0} and in the
 * guest's own directory. The toolstack has made the former, and the guest writes what it likes to
 * the latter.
 *
 * <pre>
 *   frontend, frontend-id, state, num_devs, and for each device N
 *   dev-N    0000:00:04.0       where the function is on the machine's bus
 *   state-N  1 to be added  3 there  5 to be removed  6 gone
 *   vdev-N   0000:00:00.0       where the guest sees it; ours
 *   root_num, root-0            the bus that it is to look at; ours
 * </pre>
 */
final class BackendNodes {
  private static final int NONE = StoreConnection.NO_TRANSACTION;
  private static final int MAX_DEVICES = RequesterId.DEVICES;
  private static final String SEGMENT = "0000:";

  private final StoreConnection store;
  private final String base;
  private final int guest;

  /** A device of the list; the function is missing where the toolstack has written none. */
  record Listed(int number, Optional<RequesterId> function, BusState state) {}

  BackendNodes(StoreConnection store, String base, int guest) {
    this.store = store;
    this.base = base;
    this.guest = guest;
  }

  /** The guest's directory for its end, if the toolstack has set one that can be its. */
  Optional<String> frontend() {
    return text(base + "/frontend").filter(path -> path.startsWith("/local/domain/" + guest + "/"));
  }

  BusState state() {
    return text(base + "/state").map(BusState::of).orElse(BusState.UNKNOWN);
  }

  void setState(BusState state) {
    store.write(NONE, base + "/state", state.text());
  }

  BusState frontendState() {
    return frontend()
        .flatMap(path -> text(path + "/state"))
        .map(BusState::of)
        .orElse(BusState.UNKNOWN);
  }

  /** A number that the guest has written. */
  Optional<Integer> frontendNumber(String name) {
    return frontend().flatMap(path -> text(path + "/" + name)).flatMap(BackendNodes::number);
  }

  /** The version of the protocol that the guest speaks. */
  Optional<String> magic() {
    return frontend().flatMap(path -> text(path + "/magic"));
  }

  /** The devices that the toolstack has listed. */
  List<Listed> devices() {
    int count = text(base + "/num_devs").flatMap(BackendNodes::number).orElse(0);
    List<Listed> devices = new ArrayList<>();
    for (int i = 0; i < Math.min(count, MAX_DEVICES); i++) {
      devices.add(
          new Listed(
              i,
              text(base + "/dev-" + i).flatMap(BackendNodes::function),
              text(base + "/state-" + i).map(BusState::of).orElse(BusState.UNKNOWN)));
    }
    return devices;
  }

  void added(int number, int slot) {
    store.write(NONE, base + "/vdev-" + number, VirtualSlots.text(slot));
    store.write(NONE, base + "/state-" + number, BusState.INITIALISED.text());
  }

  void removed(int number) {
    store.remove(NONE, base + "/vdev-" + number);
    store.write(NONE, base + "/state-" + number, BusState.CLOSED.text());
  }

  void publishRoots() {
    store.write(NONE, base + "/root-0", "0000:00");
    store.write(NONE, base + "/root_num", "1");
  }

  private Optional<String> text(String path) {
    try {
      return store.read(NONE, path).filter(value -> !value.isEmpty());
    } catch (StoreException unreadable) {
      return Optional.empty();
    }
  }

  private static Optional<Integer> number(String text) {
    try {
      return Optional.of(Integer.parseInt(text));
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  private static Optional<RequesterId> function(String text) {
    try {
      return text.startsWith(SEGMENT)
          ? Optional.of(RequesterId.parse(text.substring(SEGMENT.length())))
          : Optional.empty();
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}
