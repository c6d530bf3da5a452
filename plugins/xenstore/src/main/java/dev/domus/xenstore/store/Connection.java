package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.Caller;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the store knows of one client: who it is, its transactions and watches, and the events that
 * wait for it. All of it belongs to the store's lock.
 *
 * <p>Events are bounded whatever the client does ({@link Quota#QUEUED_EVENT_BYTES}): equal ones are
 * kept once, and a client that does not take them finds, in the end, one event a watch.
 */
public final class Connection {
  private final Runnable wake;
  private final Map<Integer, Transaction> transactions = new HashMap<>();
  private final List<Watch> watches = new ArrayList<>();
  private final LinkedHashSet<WatchEvent> events = new LinkedHashSet<>();
  private int eventBytes;
  private int lastTransaction;
  private boolean closed;
  private Caller caller;

  /**
   * Makes a connection; the store opens it.
   *
   * @param wake called under the store's lock when an event has begun to wait; must not block
   */
  Connection(Caller caller, Runnable wake) {
    this.caller = caller;
    this.wake = wake;
  }

  /** On whose behalf it acts. */
  Caller caller() {
    return caller;
  }

  void caller(Caller changed) {
    caller = changed;
  }

  /** The domain on whose behalf it acts. */
  public int domid() {
    return caller.domid();
  }

  boolean closed() {
    return closed;
  }

  Map<Integer, Transaction> transactions() {
    return transactions;
  }

  List<Watch> watches() {
    return watches;
  }

  /** A transaction id that is not in use. */
  int freeTransactionId() {
    do {
      lastTransaction = lastTransaction == Integer.MAX_VALUE ? 1 : lastTransaction + 1;
    } while (transactions.containsKey(lastTransaction));
    return lastTransaction;
  }

  void queue(Watch watch, String path) {
    WatchEvent event = new WatchEvent(watch, path);
    if (eventBytes + event.bytes() > Quota.QUEUED_EVENT_BYTES) {
      event = new WatchEvent(watch, watch.report(watch.path()));
    }
    if (events.add(event)) {
      eventBytes += event.bytes();
      wake.run();
    }
  }

  Optional<WatchEvent> takeEvent() {
    if (events.isEmpty()) {
      return Optional.empty();
    }
    WatchEvent event = events.removeFirst();
    eventBytes -= event.bytes();
    return Optional.of(event);
  }

  /** Drops what waits of a watch that has ended. */
  void dropEvents(Watch watch) {
    events.removeIf(event -> event.watch() == watch);
    eventBytes = events.stream().mapToInt(WatchEvent::bytes).sum();
  }

  void close() {
    closed = true;
    transactions.clear();
    watches.clear();
    events.clear();
    eventBytes = 0;
    wake.run();
  }
}
