package dev.domus.xenstore.store;

import dev.domus.xenstore.tree.Node;
import dev.domus.xenstore.tree.StorePath;
import dev.domus.xenstore.tree.Tree;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * All watches by the path that they watch.
 *
 * <p>A change of a node fires the watches on it and on every node above it. A removal also fires
 * the watches on nodes that have gone with it, each with the path of its own node. Watchers hear of
 * what they may know of only. The table is sorted, so that watches below a removed node are a range
 * of it: {@code "0"} follows {@code "/"} in the alphabet.
 */
final class WatchTable {
  private final TreeMap<String, List<Watch>> byPath = new TreeMap<>();

  void add(Watch watch) {
    byPath.computeIfAbsent(watch.path().text(), path -> new ArrayList<>(1)).add(watch);
  }

  void remove(Watch watch) {
    String path = watch.path().text();
    List<Watch> watches = byPath.get(path);
    watches.remove(watch);
    if (watches.isEmpty()) {
      byPath.remove(path);
    }
  }

  /** Fires what a change of the tree has to fire. */
  void fire(Effect effect) {
    StorePath at = effect.path();
    while (true) {
      for (Watch watch : at(at.text())) {
        if (watch.reaches(effect.path()) && effect.visibleTo(watch.owner().caller())) {
          watch.owner().queue(watch, watch.report(effect.path()));
        }
      }
      if (at.isRoot()) {
        break;
      }
      at = at.parent();
    }
    if (effect.removal()) {
      fireBelow(effect.path(), effect.before().orElseThrow());
    }
  }

  private void fireBelow(StorePath removed, Node was) {
    SortedMap<String, List<Watch>> below =
        byPath.subMap(removed.text() + "/", removed.text() + "0");
    for (List<Watch> watches : below.values()) {
      StorePath path = watches.getFirst().path();
      Optional<Node> gone =
          Tree.find(was, path.text().substring(removed.text().length() + 1).split("/"));
      if (gone.isPresent()) {
        for (Watch watch : watches) {
          if (Effect.visible(gone.get(), watch.owner().caller())) {
            watch.owner().queue(watch, watch.report(path));
          }
        }
      }
    }
  }

  /** The watches on exactly one path. */
  List<Watch> at(String path) {
    return byPath.getOrDefault(path, List.of());
  }
}
