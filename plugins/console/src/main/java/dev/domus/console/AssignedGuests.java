package dev.domus.console;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Optional;

/**
 * The guests of a backend in a driver domain, which learns of them as backends there do: the
 * toolstack enters each in the domain's own directory, {@code backend/console/GUEST/0}, and takes
 * it out when the guest has gone. The domain may ask the hypervisor nothing about them; the store,
 * where the toolstack lets it read a guest's console nodes and what it is ({@code vm}), has to do.
 */
final class AssignedGuests implements Guests {
  private static final String BACKENDS = "backend/console";
  private static final System.Logger LOG = System.getLogger(AssignedGuests.class.getName());
  private static final String TOKEN = "console";

  private final StoreConnection store;
  private final StoredConsole consoles;
  private final int domid;

  AssignedGuests(StoreConnection store, int domid) {
    this.store = store;
    this.domid = domid;
    consoles = new StoredConsole(store);
  }

  @Override
  public void watch(Runnable come, Runnable go) {
    store.watch(
        BACKENDS,
        TOKEN,
        (path, token) -> {
          go.run();
          come.run();
        });
  }

  @Override
  public List<Integer> present() {
    try {
      return consoles.domains(BACKENDS);
    } catch (StoreException notYet) {
      LOG.log(Level.DEBUG, "the toolstack has assigned no guest: {0}", notYet.getMessage());
      return List.of();
    }
  }

  @Override
  public Optional<Integer> port(int guest) {
    return isAssigned(guest) ? consoles.port(guest, domid) : Optional.empty();
  }

  private boolean isAssigned(int guest) {
    return text(BACKENDS + "/" + guest + "/0/frontend")
        .equals(Optional.of(StoredConsole.DOMAINS + "/" + guest + "/console"));
  }

  @Override
  public Optional<String> incarnation(int guest) {
    return isAssigned(guest) ? text(StoredConsole.DOMAINS + "/" + guest + "/vm") : Optional.empty();
  }

  /** What the toolstack has not made, or has taken away, may not even be read. */
  private Optional<String> text(String path) {
    try {
      return consoles.text(path);
    } catch (StoreException notThere) {
      return Optional.empty();
    }
  }
}
