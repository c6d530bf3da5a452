package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.StorePath;
import dev.domus.xenstore.tree.Tree;

/**
 * The tree as an operation sees it: the store's own, or a transaction's, which notes what was
 * looked at.
 */
interface View {
  /** Finds a node, or the deepest on the way to it. */
  Tree.Nearest nearest(StorePath path);

  /** What is to be changed. */
  Tree tree();

  /** The store's own tree as it is. */
  static View of(Tree tree) {
    return new View() {
      @Override
      public Tree.Nearest nearest(StorePath path) {
        return tree.nearest(path);
      }

      @Override
      public Tree tree() {
        return tree;
      }
    };
  }
}
