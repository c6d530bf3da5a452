package dev.domus.console;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreService;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A store that has no more than the console backend uses: values, directories of domains, and the
 * two special watches.
 */
final class FakeStore implements StoreService, StoreConnection {
  private final Map<String, String> nodes = new ConcurrentHashMap<>();
  private final Map<String, WatchCallback> watches = new ConcurrentHashMap<>();
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("watches").factory());

  /** Writes what the toolstack writes for a domain's console. */
  void consoleOf(int domid) {
    write(0, "/local/domain/" + domid + "/console/ring-ref", "77");
    write(0, "/local/domain/" + domid + "/console/port", "1");
    write(0, "/local/domain/" + domid + "/console/type", "xenconsoled");
  }

  @Override
  public void introduce(int domid, long ringMfn, int port) {
    fire("@introduceDomain");
  }

  @Override
  public void release(int domid) {
    fire("@releaseDomain");
  }

  private void fire(String path) {
    Optional.ofNullable(watches.get(path))
        .ifPresent(callback -> thread.execute(() -> callback.fired(path, "")));
  }

  @Override
  public StoreConnection connect(int domid) {
    return this;
  }

  @Override
  public Optional<String> read(int transaction, String path) {
    return Optional.ofNullable(nodes.get(path));
  }

  @Override
  public void write(int transaction, String path, String value) {
    nodes.put(path, value);
  }

  @Override
  public void remove(int transaction, String path) {
    nodes.keySet().removeIf(node -> node.startsWith(path + "/"));
  }

  @Override
  public List<String> directory(int transaction, String path) {
    return nodes.keySet().stream()
        .filter(node -> node.startsWith(path + "/"))
        .map(node -> node.substring(path.length() + 1).split("/")[0])
        .distinct()
        .toList();
  }

  @Override
  public void watch(String path, String token, WatchCallback callback) {
    watches.put(path, callback);
    fire(path);
  }

  @Override
  public void unwatch(String path, String token) {
    watches.remove(path);
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }

  @Override
  public void mkdir(int transaction, String path) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setPermissions(int transaction, String path, List<String> permissions) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int begin() {
    throw new UnsupportedOperationException();
  }

  @Override
  public boolean end(int transaction, boolean commit) {
    throw new UnsupportedOperationException();
  }
}
