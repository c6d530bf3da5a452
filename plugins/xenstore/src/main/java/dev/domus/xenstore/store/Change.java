package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.Permissions;
import dev.domus.xenstore.tree.StorePath;

/**
 * A change of the tree as a client asked for it. A transaction keeps them, to make them again when
 * it commits.
 */
sealed interface Change {
  /** The node that is asked to change. */
  StorePath path();

  /**
   * Sets a value, making the node and its parents where missing. The array is not changed by
   * anyone.
   */
  record Write(StorePath path, byte[] value) implements Change {}

  /** Makes a node and its parents where missing. */
  record Make(StorePath path) implements Change {}

  /** Removes a node and all below it. */
  record Remove(StorePath path) implements Change {}

  /** Sets permissions. */
  record SetPermissions(StorePath path, Permissions permissions) implements Change {}

  /** What a transaction has to keep for it, roughly. */
  default int bytes() {
    int value = this instanceof Write write ? write.value.length : 0;
    return path().text().length() + value + 64;
  }
}
