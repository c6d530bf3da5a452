package dev.domus.net;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import java.util.Optional;

/**
 * What xenstore says of one interface: the backend's half, which the toolstack has made and only it
 * and we write, and the guest's, who writes there what it likes.
 */
final class VifNodes {
  private static final int NONE = StoreConnection.NO_TRANSACTION;
  private static final int LONGEST_NUMBER = 10;

  private final StoreConnection store;
  private final String backend;
  private final int guest;
  private final int devid;

  VifNodes(StoreConnection store, String backend, int guest, int devid) {
    this.store = store;
    this.backend = backend;
    this.guest = guest;
    this.devid = devid;
  }

  int guest() {
    return guest;
  }

  int devid() {
    return devid;
  }

  /** What messages call the interface. */
  String label() {
    return "vif %d of domain %s".formatted(devid, own("domain").orElse("" + guest));
  }

  /** The guest's half, if the toolstack has named one that can be its. */
  Optional<String> frontend() {
    return own("frontend").filter(path -> path.startsWith("/local/domain/" + guest + "/device/"));
  }

  /** A node of our half. */
  Optional<String> own(String name) {
    return text(backend + "/" + name);
  }

  void write(String name, String value) {
    store.write(NONE, backend + "/" + name, value);
  }

  BusState state() {
    return own("state").map(BusState::of).orElse(BusState.UNKNOWN);
  }

  void setState(BusState state) {
    write("state", state.text());
  }

  /** Whether the toolstack wants the interface to go on when the guest's driver has closed it. */
  boolean online() {
    return own("online").filter("1"::equals).isPresent();
  }

  BusState frontendState() {
    return its("state").map(BusState::of).orElse(BusState.UNKNOWN);
  }

  /** A node of the guest's half. */
  Optional<String> its(String name) {
    return frontend().flatMap(path -> text(path + "/" + name));
  }

  /** A number that the guest has written; not negative. */
  Optional<Integer> itsNumber(String name) {
    return its(name).flatMap(VifNodes::number);
  }

  /** Whether the guest has written 1. */
  boolean itsFlag(String name) {
    return its(name).filter("1"::equals).isPresent();
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
      return text.matches("[0-9]{1," + LONGEST_NUMBER + "}")
          ? Optional.of(Integer.parseInt(text))
          : Optional.empty();
    } catch (NumberFormatException tooLarge) {
      return Optional.empty();
    }
  }
}
