package dev.domus.xenstore.tree;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A current version of the tree, and how many nodes of it each domain owns.
 *
 * <p>Because nodes are immutable, a transaction's snapshot is a {@link #branch}: the same root, to
 * be changed on its own. Counts of a branch are differences to those of the tree that it came from,
 * as they are <em>now</em>; a branch whose changes hold against that tree is {@linkplain #adopt
 * adopted} in one step.
 *
 * <p>Not thread-safe: the store's lock is held for all of a tree and its branches. Depth is bounded
 * by the length of a path, so walks are loops, not recursion.
 */
public final class Tree {
  private static final byte[] EMPTY = {};

  private final Optional<Tree> origin;
  private final Map<Integer, Integer> owned = new HashMap<>();
  private long generations;
  private Node root;

  /** Makes a tree that has only the root, owned by the privileged domain. */
  public Tree() {
    origin = Optional.empty();
    root = Node.of(EMPTY, Permissions.ownedBy(Caller.PRIVILEGED), 0);
    count(Caller.PRIVILEGED, 1);
  }

  private Tree(Tree origin) {
    this.origin = Optional.of(origin);
    root = origin.root;
  }

  /** A tree that begins as this one is now. */
  public Tree branch() {
    return new Tree(this);
  }

  /** Becomes what a branch is, which must have been made of this tree as it is now. */
  public void adopt(Tree branch) {
    root = branch.root;
    branch.owned.forEach(this::count);
  }

  /** How many nodes a domain owns. */
  public int owned(int domid) {
    int here = owned.getOrDefault(domid, 0);
    return origin.isPresent() ? origin.get().owned(domid) + here : here;
  }

  private void count(int domid, int change) {
    owned.merge(domid, change, Integer::sum);
    owned.remove(domid, 0);
  }

  private long nextGeneration() {
    return origin.isPresent() ? origin.get().nextGeneration() : ++generations;
  }

  /** The root. */
  public Node root() {
    return root;
  }

  /** Finds a node. */
  public Optional<Node> find(StorePath path) {
    return find(root, path.names());
  }

  /** Finds a node below another by the names that lead to it. */
  public static Optional<Node> find(Node top, String... names) {
    Node node = top;
    for (String name : names) {
      Optional<Node> child = node.child(name);
      if (child.isEmpty()) {
        return Optional.empty();
      }
      node = child.get();
    }
    return Optional.of(node);
  }

  /**
   * Finds the deepest node on the way to a path, the root at worst, and says how many of the path's
   * names lead to it. One descent, however long the path: guests choose paths, and they are the
   * only cost of a request that grows.
   */
  public Nearest nearest(StorePath path) {
    Node node = root;
    int depth = 0;
    String[] names = path.names();
    while (depth < names.length) {
      Optional<Node> child = node.child(names[depth]);
      if (child.isEmpty()) {
        break;
      }
      node = child.get();
      depth++;
    }
    return new Nearest(node, depth, names.length - depth);
  }

  /**
   * A node on the way to a path.
   *
   * @param node the deepest that exists
   * @param depth how many names lead to it
   * @param missing how many names are left, 0 if the path's node exists
   */
  public record Nearest(Node node, int depth, int missing) {
    /** The path's node. */
    public Optional<Node> found() {
      return missing == 0 ? Optional.of(node) : Optional.empty();
    }
  }

  /**
   * Makes a node that does not exist, and those that are missing above it, all with the same
   * permissions.
   */
  public void create(StorePath path, byte[] value, Permissions permissions) {
    Nearest above = nearest(path);
    String[] names = path.names();
    Node made = Node.of(value, permissions, nextGeneration());
    for (int i = names.length - 1; i > above.depth(); i--) {
      made = Node.of(EMPTY, permissions, nextGeneration()).adding(names[i], made, nextGeneration());
    }
    Node parent = above.node().adding(names[above.depth()], made, nextGeneration());
    put(path.ancestor(above.depth()), parent);
    count(permissions.owner(), above.missing());
  }

  /** Sets the value of a node that exists. */
  public void setValue(StorePath path, byte[] value) {
    put(path, find(path).orElseThrow().withValue(value, nextGeneration()));
  }

  /** Sets the permissions of a node that exists. */
  public void setPermissions(StorePath path, Permissions permissions) {
    Node node = find(path).orElseThrow();
    count(node.permissions().owner(), -1);
    count(permissions.owner(), 1);
    put(path, node.withPermissions(permissions, nextGeneration()));
  }

  /** Removes a node that exists, which is not the root, and all below it. */
  public void remove(StorePath path) {
    StorePath parent = path.parent();
    forEachNode(find(path).orElseThrow(), node -> count(node.permissions().owner(), -1));
    put(parent, find(parent).orElseThrow().removing(path.name(), nextGeneration()));
  }

  /** Puts a node in the place of one that exists. */
  private void put(StorePath path, Node node) {
    String[] names = path.names();
    Node[] above = new Node[names.length];
    Node at = root;
    for (int i = 0; i < names.length; i++) {
      above[i] = at;
      at = at.child(names[i]).orElseThrow();
    }
    Node changed = node;
    for (int i = names.length - 1; i >= 0; i--) {
      changed = above[i].replacing(names[i], changed);
    }
    root = changed;
  }

  /** Visits a node and all below it, a parent before its children. */
  static void forEachNode(Node top, Consumer<Node> visitor) {
    Deque<Node> open = new ArrayDeque<>();
    open.push(top);
    while (!open.isEmpty()) {
      Node node = open.pop();
      visitor.accept(node);
      node.forEachChild((name, child) -> open.push(child));
    }
  }

  private record Place(StorePath path, Node node) {}

  /**
   * Forgets a domain that has gone: nodes that it owned are removed with all below them, and rights
   * that it had been given are taken back, so that a later domain of the same number inherits
   * nothing.
   *
   * @return the nodes that were removed, as they were
   */
  public List<Removed> forget(int domid) {
    List<Removed> removed = new ArrayList<>();
    Map<StorePath, Permissions> narrowed = new HashMap<>();
    Deque<Place> open = new ArrayDeque<>();
    open.push(new Place(StorePath.ROOT, root));
    while (!open.isEmpty()) {
      Place place = open.pop();
      Permissions permissions = place.node.permissions();
      if (permissions.owner() == domid && !place.path.isRoot()) {
        removed.add(new Removed(place.path, place.node));
        continue;
      }
      Permissions without = permissions.without(domid);
      if (without != permissions) {
        narrowed.put(place.path, without);
      }
      place.node.forEachChild((name, child) -> open.push(new Place(place.path.child(name), child)));
    }
    removed.forEach(gone -> remove(gone.path()));
    narrowed.forEach(this::setPermissions);
    return removed;
  }

  /**
   * A node that is no longer there.
   *
   * @param path where it was
   * @param node what it was
   */
  public record Removed(StorePath path, Node node) {}
}
