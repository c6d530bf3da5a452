package dev.domus.xenstore;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.Worker;
import dev.domus.xenstore.store.Connection;
import dev.domus.xenstore.store.Store;
import dev.domus.xenstore.store.Watch;
import dev.domus.xenstore.store.WatchEvent;
import dev.domus.xenstore.tree.StoreError;
import dev.domus.xenstore.wire.MessageLayout;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A service domain's connection. It calls the store as a guest's messages do, with the same limits
 * of a message's size.
 *
 * <p>Watches are called back by a worker of the connection's own, which exists from the first watch
 * until the connection is closed; a callback that dawdles delays its own connection only. Lock
 * order: this object's monitor, then the store's. Neither is held during a callback. After {@link
 * #unwatch} a call under way may still run to its end; {@link #close} waits for it.
 */
final class LocalConnection implements StoreConnection {
  private static final System.Logger LOG = System.getLogger(LocalConnection.class.getName());

  private final Store store;
  private final Consumer<LocalConnection> whenClosed;
  private final Connection connection;
  private final Function<String, Worker> workers;
  private final Map<Watch, WatchCallback> callbacks = new HashMap<>();

  /** Since the first watch. */
  private volatile Optional<Worker> worker = Optional.empty();

  LocalConnection(
      Store store,
      int domid,
      Function<String, Worker> workers,
      Consumer<LocalConnection> whenClosed) {
    this.store = store;
    this.workers = workers;
    this.whenClosed = whenClosed;
    connection = store.open(domid, this::wake);
  }

  /** The store has something for the connection; called with the store's lock. */
  private void wake() {
    worker.ifPresent(w -> w.execute(this::callBack));
  }

  @Override
  public Optional<String> read(int transaction, String path) {
    try {
      return Optional.of(
          new String(store.read(connection, transaction, path), StandardCharsets.ISO_8859_1));
    } catch (StoreException refused) {
      return absentOr(refused, Optional.empty(), transaction);
    }
  }

  @Override
  public List<String> directory(int transaction, String path) {
    try {
      return store.directory(connection, transaction, path).children();
    } catch (StoreException refused) {
      return absentOr(refused, List.of(), transaction);
    }
  }

  /** A missing node is an answer; a missing transaction is not. */
  private <T> T absentOr(StoreException refused, T absent, int transaction) {
    if (refused.error().equals(StoreError.ENOENT.name()) && store.knows(connection, transaction)) {
      return absent;
    }
    throw refused;
  }

  @Override
  public void write(int transaction, String path, String value) {
    byte[] bytes = value.getBytes(StandardCharsets.ISO_8859_1);
    if (path.length() + 1 + bytes.length > MessageLayout.PAYLOAD_MAX) {
      throw StoreError.E2BIG.because(
          "path and value exceed a message: path=%s length=%d".formatted(path, bytes.length));
    }
    store.write(connection, transaction, path, bytes);
  }

  @Override
  public void mkdir(int transaction, String path) {
    store.mkdir(connection, transaction, path);
  }

  @Override
  public void remove(int transaction, String path) {
    store.remove(connection, transaction, path);
  }

  @Override
  public void setPermissions(int transaction, String path, List<String> permissions) {
    store.setPermissions(connection, transaction, path, permissions);
  }

  @Override
  public int begin() {
    return store.begin(connection);
  }

  @Override
  public boolean end(int transaction, boolean commit) {
    try {
      store.end(connection, transaction, commit);
      return true;
    } catch (StoreException refused) {
      if (refused.error().equals(StoreError.EAGAIN.name())) {
        return false;
      }
      throw refused;
    }
  }

  @Override
  public synchronized void watch(String path, String token, WatchCallback callback) {
    if (worker.isEmpty()) {
      worker = Optional.of(workers.apply("xenstore-watches-d" + connection.domid()));
    }
    callbacks.put(store.watch(connection, path, token, OptionalInt.empty()), callback);
  }

  @Override
  public synchronized void unwatch(String path, String token) {
    callbacks.remove(store.unwatch(connection, path, token));
  }

  @Override
  public void introduce(int domid, long ringMfn, int port) {
    store.introduce(connection, domid, port);
  }

  @Override
  public void release(int domid) {
    try {
      store.release(connection, domid);
    } catch (StoreException refused) {
      // The hypervisor may have told the store first, by VIRQ_DOM_EXC: what is asked for has
      // happened then.
      if (!refused.error().equals(StoreError.ENOENT.name())) {
        throw refused;
      }
    }
  }

  @Override
  public void close() {
    store.close(connection);
    worker.ifPresent(Worker::close);
    whenClosed.accept(this);
  }

  private void callBack() {
    for (Optional<WatchEvent> event = store.takeEvent(connection);
        event.isPresent();
        event = store.takeEvent(connection)) {
      callBack(event.get());
    }
  }

  private void callBack(WatchEvent event) {
    Optional<WatchCallback> callback = callback(event.watch());
    if (callback.isEmpty()) {
      return; // ended after the event was taken
    }
    try {
      callback.get().fired(event.path(), event.watch().token());
    } catch (RuntimeException failure) {
      LOG.log(
          Level.ERROR,
          "watch callback failed: path=" + event.path() + " token=" + event.watch().token(),
          failure);
    }
  }

  private synchronized Optional<WatchCallback> callback(Watch watch) {
    return Optional.ofNullable(callbacks.get(watch));
  }
}
