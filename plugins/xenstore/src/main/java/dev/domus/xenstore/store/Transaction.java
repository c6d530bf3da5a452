package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.Caller;
import dev.domus.xenstore.tree.Node;
import dev.domus.xenstore.tree.StoreError;
import dev.domus.xenstore.tree.StorePath;
import dev.domus.xenstore.tree.Tree;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A transaction: a snapshot of the tree with changes of its own.
 *
 * <p>It notes each node that it looked at with the generation that the node had in the snapshot
 * (absence is noted too), and each change that it was asked for. To commit is to look whether every
 * noted generation is still the store's; if so, nothing that the transaction's outcome hangs on has
 * changed, and the same changes are made again on a branch of the present tree, which the store
 * then adopts. Otherwise it is EAGAIN and nothing has happened. So transactions conflict only where
 * they touch the same nodes: a domain that writes without end to its own nodes cannot keep others'
 * transactions from committing.
 */
final class Transaction implements View {
  private static final long ABSENT = -1;

  private final Tree snapshot;
  private final Tree tree;
  private final boolean limited;
  private final Map<StorePath, Long> seen = new HashMap<>();
  private final List<Change> changes = new ArrayList<>();
  private int bytes;

  Transaction(Tree current, Caller caller) {
    snapshot = current.branch();
    tree = current.branch();
    limited = !caller.privileged();
  }

  /**
   * Notes the node and, if there is none, the deepest on the way: nothing can be made between the
   * two without changing the latter's children.
   */
  @Override
  public Tree.Nearest nearest(StorePath path) {
    see(path);
    Tree.Nearest nearest = tree.nearest(path);
    if (nearest.missing() > 0) {
      see(path.ancestor(nearest.depth()));
    }
    return nearest;
  }

  private void see(StorePath path) {
    if (!seen.containsKey(path)) {
      keep(path.text().length() + 64);
      seen.put(path, generation(snapshot, path));
    }
  }

  @Override
  public Tree tree() {
    return tree;
  }

  /** Notes a change before it is made, so that one which finds no room has not been made. */
  void note(Change change) {
    keep(change.bytes());
    changes.add(change);
  }

  /** Takes back the change noted last, which failed. */
  void forgetLast() {
    bytes -= changes.removeLast().bytes();
  }

  private void keep(int more) {
    if (limited
        && (bytes + more > Quota.TRANSACTION_BYTES || seen.size() >= Quota.TRANSACTION_NODES)) {
      throw StoreError.ENOSPC.because(
          "transaction too large: nodes=%d changes=%d bytes=%d"
              .formatted(seen.size(), changes.size(), bytes));
    }
    bytes += more;
  }

  /** Says whether nothing that this transaction has seen has changed since. */
  boolean holds(Tree current) {
    return seen.entrySet().stream()
        .allMatch(entry -> generation(current, entry.getKey()) == entry.getValue());
  }

  /** The changes, in order. */
  List<Change> changes() {
    return changes;
  }

  private static long generation(Tree tree, StorePath path) {
    return tree.find(path).map(Node::generation).orElse(ABSENT);
  }
}
