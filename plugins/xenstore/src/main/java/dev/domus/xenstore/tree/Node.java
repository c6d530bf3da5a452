package dev.domus.xenstore.tree;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * One node with all below it. Immutable: a change makes a new node, and new nodes for those above
 * it, which share everything else with the old ones.
 *
 * <p>A node's <em>generation</em> changes when its value, its permissions or the list of its
 * children's names changes, and not when something changes further down. No two changes have the
 * same generation, so a node that was removed and made again is told from the old one.
 *
 * <p>Children stand in the order in which they were made; clients such as GRUB number disks by it.
 * They are found by linear search: directories have a handful of children, a few hundred at most,
 * and copying two arrays is what makes a change cheap.
 */
public final class Node {
  private static final String[] NO_NAMES = {};
  private static final Node[] NO_NODES = {};

  private final byte[] value;
  private final Permissions permissions;
  private final long generation;
  private final String[] names;
  private final Node[] nodes;

  private Node(
      byte[] value, Permissions permissions, long generation, String[] names, Node[] nodes) {
    this.value = value;
    this.permissions = permissions;
    this.generation = generation;
    this.names = names;
    this.nodes = nodes;
  }

  /** A node without children; the value is the node's from now on. */
  static Node of(byte[] value, Permissions permissions, long generation) {
    return new Node(value, permissions, generation, NO_NAMES, NO_NODES);
  }

  /** The value; not to be changed. */
  public byte[] value() {
    return value;
  }

  /** Who may do what. */
  public Permissions permissions() {
    return permissions;
  }

  /** Changes with value, permissions and children's names. */
  public long generation() {
    return generation;
  }

  /** Names of the children, oldest first. */
  public List<String> children() {
    return List.of(names);
  }

  /** Number of children. */
  int childCount() {
    return names.length;
  }

  /** Name of a child by its place. */
  String childName(int index) {
    return names[index];
  }

  /** A child by its place. */
  Node child(int index) {
    return nodes[index];
  }

  /** A child by its name. */
  Optional<Node> child(String name) {
    int index = index(name);
    return index < 0 ? Optional.empty() : Optional.of(nodes[index]);
  }

  Node withValue(byte[] newValue, long newGeneration) {
    return new Node(newValue, permissions, newGeneration, names, nodes);
  }

  Node withPermissions(Permissions newPermissions, long newGeneration) {
    return new Node(value, newPermissions, newGeneration, names, nodes);
  }

  /** The same with another node in the place of a child that it has. */
  Node replacing(String name, Node child) {
    Node[] changed = nodes.clone();
    changed[index(name)] = child;
    return new Node(value, permissions, generation, names, changed);
  }

  /** The same with one more child. */
  Node adding(String name, Node child, long newGeneration) {
    int count = names.length;
    String[] newNames = Arrays.copyOf(names, count + 1);
    Node[] newNodes = Arrays.copyOf(nodes, count + 1);
    newNames[count] = name;
    newNodes[count] = child;
    return new Node(value, permissions, newGeneration, newNames, newNodes);
  }

  /** The same without a child that it has. */
  Node removing(String name, long newGeneration) {
    int index = index(name);
    int after = names.length - index - 1;
    String[] newNames = Arrays.copyOf(names, names.length - 1);
    Node[] newNodes = Arrays.copyOf(nodes, nodes.length - 1);
    System.arraycopy(names, index + 1, newNames, index, after);
    System.arraycopy(nodes, index + 1, newNodes, index, after);
    return new Node(value, permissions, newGeneration, newNames, newNodes);
  }

  private int index(String name) {
    for (int i = 0; i < names.length; i++) {
      if (names[i].equals(name)) {
        return i;
      }
    }
    return -1;
  }
}
