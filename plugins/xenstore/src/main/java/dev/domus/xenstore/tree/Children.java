package dev.domus.xenstore.tree;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BiConsumer;

/**
 * The children of a node: an immutable map from names to nodes that remembers the order in which
 * they were made.
 *
 * <p>It is a treap (Seidel and Aragon, <a href="https://doi.org/10.1007/BF01940876">Randomized
 * Search Trees</a>): a binary search tree by name that is also a heap by a random priority, which
 * keeps it balanced without any bookkeeping, whatever names a guest chooses. A change copies the
 * logarithmically many entries on the way to the name, so directories of thousands cost as little
 * as small ones. The order of making is a number with each entry; it is needed for listing only.
 */
final class Children {
  /** No children. */
  static final Children NONE = new Children(null);

  /** Null where there is none, within this class only. */
  private final Entry root;

  /** The names in order, made when first asked for. */
  private volatile List<String> names;

  private record Entry(String name, Node node, long made, int priority, Entry left, Entry right) {
    Entry with(Entry newLeft, Entry newRight) {
      return new Entry(name, node, made, priority, newLeft, newRight);
    }
  }

  private Children(Entry root) {
    this.root = root;
  }

  /** Finds a child. */
  Optional<Node> get(String name) {
    Entry entry = root;
    while (entry != null) {
      int order = name.compareTo(entry.name);
      if (order == 0) {
        return Optional.of(entry.node);
      }
      entry = order < 0 ? entry.left : entry.right;
    }
    return Optional.empty();
  }

  /** The names, oldest first. */
  List<String> names() {
    List<String> known = names;
    if (known == null) {
      List<Entry> entries = new ArrayList<>();
      collect(root, entries);
      entries.sort(Comparator.comparingLong(Entry::made));
      known = entries.stream().map(Entry::name).toList();
      names = known;
    }
    return known;
  }

  private static void collect(Entry entry, List<Entry> into) {
    if (entry != null) {
      collect(entry.left, into);
      into.add(entry);
      collect(entry.right, into);
    }
  }

  /** Visits all, in no order that means anything. */
  void forEach(BiConsumer<String, Node> visitor) {
    List<Entry> entries = new ArrayList<>();
    collect(root, entries);
    entries.forEach(entry -> visitor.accept(entry.name, entry.node));
  }

  /** The same with another node in the place of a child that there is. */
  Children replacing(String name, Node node) {
    return new Children(replaced(root, name, node));
  }

  private static Entry replaced(Entry entry, String name, Node node) {
    int order = name.compareTo(entry.name);
    if (order == 0) {
      return new Entry(name, node, entry.made, entry.priority, entry.left, entry.right);
    }
    return order < 0
        ? entry.with(replaced(entry.left, name, node), entry.right)
        : entry.with(entry.left, replaced(entry.right, name, node));
  }

  /**
   * The same with one more child.
   *
   * @param made a number higher than that of all that were made before
   */
  Children adding(String name, Node node, long made) {
    int priority = ThreadLocalRandom.current().nextInt();
    return new Children(inserted(root, new Entry(name, node, made, priority, null, null)));
  }

  private static Entry inserted(Entry entry, Entry added) {
    if (entry == null) {
      return added;
    }
    if (added.name.compareTo(entry.name) < 0) {
      Entry left = inserted(entry.left, added);
      return left.priority > entry.priority
          ? left.with(left.left, entry.with(left.right, entry.right))
          : entry.with(left, entry.right);
    }
    Entry right = inserted(entry.right, added);
    return right.priority > entry.priority
        ? right.with(entry.with(entry.left, right.left), right.right)
        : entry.with(entry.left, right);
  }

  /** The same without a child that there is. */
  Children removing(String name) {
    return new Children(removed(root, name));
  }

  private static Entry removed(Entry entry, String name) {
    int order = name.compareTo(entry.name);
    if (order == 0) {
      return merged(entry.left, entry.right);
    }
    return order < 0
        ? entry.with(removed(entry.left, name), entry.right)
        : entry.with(entry.left, removed(entry.right, name));
  }

  private static Entry merged(Entry left, Entry right) {
    if (left == null) {
      return right;
    }
    if (right == null) {
      return left;
    }
    return left.priority > right.priority
        ? left.with(left.left, merged(left.right, right))
        : right.with(merged(left, right.left), right.right);
  }
}
