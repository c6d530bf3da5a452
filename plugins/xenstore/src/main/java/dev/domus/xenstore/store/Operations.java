package dev.domus.xenstore.store;

import dev.domus.kernel.service.StoreException;
import dev.domus.xenstore.tree.Caller;
import dev.domus.xenstore.tree.Node;
import dev.domus.xenstore.tree.Permissions;
import dev.domus.xenstore.tree.Permissions.Right;
import dev.domus.xenstore.tree.StoreError;
import dev.domus.xenstore.tree.StorePath;
import dev.domus.xenstore.tree.Tree;
import java.util.Optional;

/**
 * Reading and changing nodes under a caller's rights (xen-pv-abi.md, 15.2). Every check comes
 * before the first change, so an operation that throws has changed nothing.
 *
 * <p>Rights are those of the node itself, not of the nodes above it. Where a node does not exist,
 * the nearest node above that does decides: whoever has the right there is told ENOENT or may make
 * the node, everyone else is told EACCES and does not learn what exists.
 */
final class Operations {
  private static final byte[] EMPTY = {};

  private Operations() {}

  /** A node that the caller may read. */
  static Node readable(View view, Caller caller, StorePath path) {
    return find(view, caller, path, Right.READ)
        .found()
        .orElseThrow(() -> StoreError.ENOENT.because("no such node: path=" + path));
  }

  /**
   * Makes a change.
   *
   * @return what it did; nothing if all was as asked for before
   */
  static Optional<Effect> apply(View view, Caller caller, Change change) {
    return switch (change) {
      case Change.Write write -> write(view, caller, write);
      case Change.Make make -> make(view, caller, make.path());
      case Change.Remove remove -> remove(view, caller, remove.path());
      case Change.SetPermissions set -> setPermissions(view, caller, set);
    };
  }

  private static Optional<Effect> write(View view, Caller caller, Change.Write write) {
    StorePath path = write.path();
    if (!caller.privileged() && write.value().length > Quota.VALUE_BYTES) {
      throw StoreError.ENOSPC.because(
          "value too long: path=%s length=%d limit=%d"
              .formatted(path, write.value().length, Quota.VALUE_BYTES));
    }
    Tree.Nearest before = find(view, caller, path, Right.WRITE);
    if (before.missing() == 0) {
      view.tree().setValue(path, write.value());
    } else {
      create(view, caller, path, before, write.value());
    }
    return Optional.of(effect(view.tree(), path, before.found()));
  }

  private static Optional<Effect> make(View view, Caller caller, StorePath path) {
    Tree.Nearest before = find(view, caller, path, Right.WRITE);
    if (before.missing() == 0) {
      return Optional.empty();
    }
    create(view, caller, path, before, EMPTY);
    return Optional.of(effect(view.tree(), path, Optional.empty()));
  }

  private static Optional<Effect> remove(View view, Caller caller, StorePath path) {
    if (path.isRoot()) {
      throw StoreError.EINVAL.because("the root cannot be removed");
    }
    Tree.Nearest before = find(view, caller, path, Right.WRITE);
    if (before.missing() > 1) {
      throw StoreError.ENOENT.because("no such node, and none above it: path=" + path);
    }
    if (before.missing() == 1) {
      return Optional.empty();
    }
    view.nearest(path.parent());
    view.tree().remove(path);
    return Optional.of(effect(view.tree(), path, before.found()));
  }

  private static Optional<Effect> setPermissions(
      View view, Caller caller, Change.SetPermissions set) {
    StorePath path = set.path();
    Node before =
        find(view, caller, path, Right.WRITE)
            .found()
            .orElseThrow(() -> StoreError.ENOENT.because("no such node: path=" + path));
    checkPermissions(caller, path, before.permissions(), set.permissions());
    view.tree().setPermissions(path, set.permissions());
    return Optional.of(effect(view.tree(), path, Optional.of(before)));
  }

  /** Says why a caller may not replace a node's permissions, if it may not. */
  static void checkPermissions(
      Caller caller, StorePath path, Permissions before, Permissions after) {
    if (caller.privileged()) {
      return;
    }
    if (!before.ownedBy(caller)) {
      throw denied(caller, path, "own");
    }
    if (after.owner() != before.owner()) {
      throw StoreError.EPERM.because("only the privileged give nodes away: path=" + path);
    }
    if (after.entries().size() > Permissions.MAX_ENTRIES) {
      throw StoreError.ENOSPC.because(
          "too many permissions: path=%s limit=%d".formatted(path, Permissions.MAX_ENTRIES));
    }
  }

  private static Tree.Nearest find(View view, Caller caller, StorePath path, Right needed) {
    Tree.Nearest nearest = view.nearest(path);
    if (!nearest.node().permissions().allow(caller, needed)) {
      throw denied(caller, path, needed == Right.READ ? "read" : "write");
    }
    return nearest;
  }

  private static StoreException denied(Caller caller, StorePath path, String what) {
    return StoreError.EACCES.because(
        "domain %d may not %s %s".formatted(caller.domid(), what, path));
  }

  /**
   * They inherit permissions from the node above; those that the unprivileged make are their own.
   */
  private static void create(
      View view, Caller caller, StorePath path, Tree.Nearest above, byte[] value) {
    Permissions permissions = above.node().permissions();
    if (!caller.privileged()) {
      int owned = view.tree().owned(caller.domid());
      if (owned + above.missing() > Quota.NODES) {
        throw StoreError.ENOSPC.because(
            "domain %d owns too many nodes: path=%s owned=%d limit=%d"
                .formatted(caller.domid(), path, owned, Quota.NODES));
      }
      permissions = permissions.withOwner(caller.domid());
    }
    view.tree().create(path, value, permissions);
  }

  private static Effect effect(Tree tree, StorePath path, Optional<Node> before) {
    return new Effect(path, before, tree.find(path), tree.find(path.parent()).orElseThrow());
  }
}
