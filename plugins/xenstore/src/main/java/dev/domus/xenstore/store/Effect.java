package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.Caller;
import dev.domus.xenstore.tree.Node;
import dev.domus.xenstore.tree.Permissions.Right;
import dev.domus.xenstore.tree.StorePath;
import java.util.Optional;

/**
 * What a change did to one node, for those who watch it.
 *
 * @param path the node
 * @param before what it was, if it existed
 * @param after what it is, if it exists
 * @param parent the node above it
 */
record Effect(StorePath path, Optional<Node> before, Optional<Node> after, Node parent) {
  /**
   * Says whether a watcher may learn of it: it may read the node, or could before, or may list the
   * names above it. Otherwise watches would tell of names that permissions hide.
   */
  boolean visibleTo(Caller watcher) {
    return readable(before, watcher)
        || readable(after, watcher)
        || parent.permissions().allow(watcher, Right.READ);
  }

  /** Says whether a node below a removed one was visible to a watcher. */
  static boolean visible(Node removed, Caller watcher) {
    return removed.permissions().allow(watcher, Right.READ);
  }

  /** Says whether the node is gone. */
  boolean removal() {
    return after.isEmpty();
  }

  private static boolean readable(Optional<Node> node, Caller watcher) {
    return node.isPresent() && node.get().permissions().allow(watcher, Right.READ);
  }
}
