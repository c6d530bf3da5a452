package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.StorePath;
import java.util.OptionalInt;

/**
 * A watch of one connection. Compared by identity: events that wait name the watch that they belong
 * to.
 */
public final class Watch {
  private final Connection owner;
  private final StorePath path;
  private final String token;
  private final int strip;
  private final OptionalInt depth;

  /**
   * Makes a watch.
   *
   * @param strip how many characters of the absolute path the client does not want to see, because
   *     it watches relatively
   * @param depth how many levels below the path count; all of them if empty
   */
  Watch(Connection owner, StorePath path, String token, int strip, OptionalInt depth) {
    this.owner = owner;
    this.path = path;
    this.token = token;
    this.strip = strip;
    this.depth = depth;
  }

  /** Whose it is. */
  Connection owner() {
    return owner;
  }

  /** What is watched. */
  public StorePath path() {
    return path;
  }

  /** As the client gave it. */
  public String token() {
    return token;
  }

  /** Says whether a node at or below the watched one is near enough. */
  boolean reaches(StorePath changed) {
    return depth.isEmpty() || changed.names().length - path.names().length <= depth.getAsInt();
  }

  /** Says whether the events that the store makes up are to name the domain. */
  boolean wantsDomid() {
    return depth.isPresent() && depth.getAsInt() == 1;
  }

  /** An event's path as the client wants it. */
  String report(StorePath changed) {
    return changed.text().substring(strip);
  }
}
