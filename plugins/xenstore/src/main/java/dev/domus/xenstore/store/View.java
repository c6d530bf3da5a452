package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.Node;
import dev.domus.xenstore.tree.StorePath;
import dev.domus.xenstore.tree.Tree;
import java.util.Optional;

/**
 * The tree as an operation sees it: the store's own, or a transaction's, which notes what was
 * looked at.
 */
interface View {
  /** Finds a node. */
  Optional<Node> find(StorePath path);

  /** What is to be changed. */
  Tree tree();

  /** The store's own tree as it is. */
  static View of(Tree tree) {
    return new View() {
      @Override
      public Optional<Node> find(StorePath path) {
        return tree.find(path);
      }

      @Override
      public Tree tree() {
        return tree;
      }
    };
  }
}
