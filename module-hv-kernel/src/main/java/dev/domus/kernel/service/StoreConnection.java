package dev.domus.kernel.service;

import java.util.List;
import java.util.Optional;

/**
 * A connection to xenstore (xen-pv-abi.md, 15.2). Paths are absolute, or relative to the domain's
 * own directory. Values are bytes; the text calls use ISO 8859-1. Operations fail with {@link
 * StoreException}. Thread-safe.
 */
public interface StoreConnection extends AutoCloseable {
  /** Transaction id that means none. */
  int NO_TRANSACTION = 0;

  /** Reads a node, or nothing if it does not exist. */
  Optional<String> read(int transaction, String path);

  /** Writes a node, making missing parents. */
  void write(int transaction, String path, String value);

  /** Makes a node if it does not exist. */
  void mkdir(int transaction, String path);

  /** Removes a node and all below it. */
  void remove(int transaction, String path);

  /** Names of a node's children, in the store's order; empty if it has none or does not exist. */
  List<String> directory(int transaction, String path);

  /**
   * Sets permissions.
   *
   * @param permissions the wire form: owner first, such as {@code n0}, {@code r5}, {@code b5}
   */
  void setPermissions(int transaction, String path, List<String> permissions);

  /** Starts a transaction and returns its id. */
  int begin();

  /** Ends a transaction. Returns false if it conflicted with another and has to be done again. */
  boolean end(int transaction, boolean commit);

  /**
   * Watches a path; the callback is called once at once and then for each change at or below it.
   */
  void watch(String path, String token, WatchCallback callback);

  /** Ends a watch. */
  void unwatch(String path, String token);

  /** Tells the store of a domain whose ring is to be served (INTRODUCE). Privileged. */
  void introduce(int domid, long ringMfn, int port);

  /** Tells the store that a domain has gone (RELEASE). Privileged. */
  void release(int domid);

  @Override
  void close();

  /** Receives watch events, one at a time, on a thread of the store's. */
  @FunctionalInterface
  interface WatchCallback {
    /**
     * Called for a change.
     *
     * @param path the node that changed
     * @param token as given to {@link #watch}
     */
    void fired(String path, String token);
  }
}
