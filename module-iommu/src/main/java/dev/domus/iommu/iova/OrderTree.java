package dev.domus.iommu.iova;

import java.util.Arrays;

/**
 * A complete binary tree of bytes over leaves that each have a largest free order, by which the
 * first leaf that is good for a request is found in as many steps as the tree has levels.
 *
 * <p>A node has the largest order below it. In a <i>buddy</i> tree two children that are wholly
 * free are one free block of the next order; in another tree blocks end at the leaves.
 *
 * <pre>
 *   node 1            7                buddies, 8 leaves of order 5; leaves 2 and 3 are not free
 *              6             7
 *           6    0        6    6
 *          5 5  0 0      5 5  5 5
 * </pre>
 *
 * <p>Orders are kept plus one, so that 0 is "nothing free". Not thread-safe.
 */
final class OrderTree {
  private final byte[] nodes;
  private final int leaves;
  private final int leafOrder;
  private final boolean buddies;

  /**
   * A tree with everything free.
   *
   * @param levels binary logarithm of the number of leaves
   * @param leafOrder the order of a leaf that is wholly free
   * @param buddies whether free leaves join
   */
  OrderTree(int levels, int leafOrder, boolean buddies) {
    this.leaves = 1 << levels;
    this.leafOrder = leafOrder;
    this.buddies = buddies;
    nodes = new byte[2 * leaves];
    for (int level = 0; level <= levels; level++) {
      int order = buddies ? leafOrder + levels - level : leafOrder;
      Arrays.fill(nodes, 1 << level, 2 << level, (byte) (order + 1));
    }
  }

  /** The largest free order of all, -1 if nothing is free. */
  int largest() {
    return nodes[1] - 1;
  }

  /** The free order of a leaf, -1 if nothing is free. */
  int at(int leaf) {
    return nodes[leaves + leaf] - 1;
  }

  /** Sets the free order of a leaf, -1 for none. */
  void set(int leaf, int order) {
    int node = leaves + leaf;
    if (nodes[node] == order + 1) {
      return;
    }
    nodes[node] = (byte) (order + 1);
    int whole = leafOrder + 1;
    for (node >>>= 1; node > 0; node >>>= 1, whole++) {
      byte left = nodes[2 * node];
      byte right = nodes[2 * node + 1];
      byte joined =
          buddies && left == whole && right == whole ? (byte) (whole + 1) : max(left, right);
      if (nodes[node] == joined) {
        return;
      }
      nodes[node] = joined;
    }
  }

  private static byte max(byte a, byte b) {
    return a > b ? a : b;
  }

  /**
   * The first leaf, from a given one on, at which a free block of an order begins or in which one
   * is; -1 if there is none. In a buddy tree the given leaf begins a block of that order.
   */
  int first(int from, int order) {
    if (from >= leaves) {
      return -1;
    }
    int wanted = order + 1;
    int node = leaves + from;
    // Up to the first subtree, at or right of the leaf, in which there is one.
    for (int height = Math.max(0, buddies ? order - leafOrder : 0); height > 0; height--) {
      node >>>= 1; // blocks of the order are no smaller than this
    }
    while (nodes[node] < wanted) {
      while ((node & 1) == 1) {
        if (node == 1) {
          return -1;
        }
        node >>>= 1;
      }
      node++;
    }
    // Down, to the left where that is enough, until the block is the node.
    int least = buddies && order > leafOrder ? leaves >>> order - leafOrder : leaves;
    while (node < least) {
      node = nodes[2 * node] >= wanted ? 2 * node : 2 * node + 1;
    }
    while (node < leaves) {
      node *= 2;
    }
    return node - leaves;
  }
}
