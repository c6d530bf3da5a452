package dev.domus.xenstore.tree;

import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * One node with all below it. Immutable: a change makes a new node, and new nodes for those above
 * it, which share everything else with the old ones.
 *
 * <p>A node's <em>generation</em> changes when its value, its permissions or the list of its
 * children's names changes, and not when something changes further down. No two changes have the
 * same generation, so a node that was removed and made again is told from the old one.
 *
 * <p>Children are listed in the order in which they were made; clients such as GRUB number disks by
 * it.
 */
public final class Node {
  private final byte[] value;
  private final Permissions permissions;
  private final long generation;
  private final Children children;

  private Node(byte[] value, Permissions permissions, long generation, Children children) {
    this.value = value;
    this.permissions = permissions;
    this.generation = generation;
    this.children = children;
  }

  /** A node without children; the value is the node's from now on. */
  static Node of(byte[] value, Permissions permissions, long generation) {
    return new Node(value, permissions, generation, Children.NONE);
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
    return children.names();
  }

  /** Visits the children, in no order that means anything. */
  void forEachChild(BiConsumer<String, Node> visitor) {
    children.forEach(visitor);
  }

  /** A child by its name. */
  Optional<Node> child(String name) {
    return children.get(name);
  }

  Node withValue(byte[] newValue, long newGeneration) {
    return new Node(newValue, permissions, newGeneration, children);
  }

  Node withPermissions(Permissions newPermissions, long newGeneration) {
    return new Node(value, newPermissions, newGeneration, children);
  }

  /** The same with another node in the place of a child that it has. */
  Node replacing(String name, Node child) {
    return new Node(value, permissions, generation, children.replacing(name, child));
  }

  /** The same with one more child. */
  Node adding(String name, Node child, long newGeneration) {
    return new Node(value, permissions, newGeneration, children.adding(name, child, newGeneration));
  }

  /** The same without a child that it has. */
  Node removing(String name, long newGeneration) {
    return new Node(value, permissions, newGeneration, children.removing(name));
  }
}
