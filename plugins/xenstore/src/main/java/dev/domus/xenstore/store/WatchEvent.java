package dev.domus.xenstore.store;

/**
 * An event that waits for its client. Two that are equal are one: the client looks after it has
 * taken the event.
 *
 * @param watch the watch that fired
 * @param path the node that changed, relative if the watch is
 */
public record WatchEvent(Watch watch, String path) {
  /** Bytes of the message's payload. */
  int bytes() {
    return path.length() + watch.token().length() + 2;
  }
}
