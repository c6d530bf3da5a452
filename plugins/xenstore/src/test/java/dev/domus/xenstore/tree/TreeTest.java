package dev.domus.xenstore.tree;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TreeTest {
  private final Tree tree = new Tree();

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void childrenAreAMapInTheOrderOfMaking() {
    Random random = new Random(7);
    Map<String, String> model = new LinkedHashMap<>();
    StorePath top = new StorePath("/top");
    tree.create(top, bytes(""), Permissions.ownedBy(0));
    for (int step = 0; step < 20_000; step++) {
      String name = Integer.toString(random.nextInt(300));
      StorePath path = top.child(name);
      String value = Integer.toString(step);
      if (!model.containsKey(name)) {
        tree.create(path, bytes(value), Permissions.ownedBy(step % 3));
        model.put(name, value);
      } else if (random.nextBoolean()) {
        tree.setValue(path, bytes(value));
        model.put(name, value);
      } else {
        tree.remove(path);
        model.remove(name);
      }
      if (step % 97 == 0) {
        check(top, model);
      }
    }
    check(top, model);
  }

  private void check(StorePath top, Map<String, String> model) {
    Node node = tree.find(top).orElseThrow();
    assertEquals(List.copyOf(model.keySet()), node.children());
    int[] owned = new int[3];
    model.forEach((name, value) -> {
      Node child = tree.find(top.child(name)).orElseThrow();
      assertEquals(value, new String(child.value(), StandardCharsets.ISO_8859_1));
      owned[child.permissions().owner()]++;
    });
    assertEquals(owned[1], tree.owned(1));
    assertEquals(owned[2], tree.owned(2));
    assertEquals(owned[0] + 2, tree.owned(0), "and the root, and the top");
  }

  @Test
  void aBranchAndItsOriginDoNotSeeEachOther() {
    StorePath a = new StorePath("/a");
    StorePath b = new StorePath("/b");
    Tree branch = tree.branch();
    branch.create(a, bytes("1"), Permissions.ownedBy(5));
    tree.create(b, bytes("2"), Permissions.ownedBy(5));
    assertTrue(tree.find(a).isEmpty());
    assertTrue(branch.find(b).isEmpty());
    assertEquals(2, branch.owned(5), "counted on top of what the origin has now");
    Tree next = tree.branch();
    next.create(a, bytes("1"), Permissions.ownedBy(5));
    tree.adopt(next);
    assertTrue(tree.find(a).isPresent());
    assertEquals(2, tree.owned(5));
  }

  @Test
  void generationsChangeWithTheNodeItselfOnly() {
    StorePath a = new StorePath("/a");
    StorePath below = new StorePath("/a/b");
    tree.create(a, bytes(""), Permissions.ownedBy(0));
    tree.create(below, bytes(""), Permissions.ownedBy(0));
    long before = tree.find(a).orElseThrow().generation();
    tree.setValue(below, bytes("x"));
    assertEquals(before, tree.find(a).orElseThrow().generation());
    tree.create(below.child("c"), bytes(""), Permissions.ownedBy(0));
    assertEquals(before, tree.find(a).orElseThrow().generation());
    tree.remove(below);
    assertTrue(tree.find(a).orElseThrow().generation() > before);
  }

  @Test
  void missingNodesAboveAreMadeInOneStep() {
    tree.create(new StorePath("/a"), bytes("kept"), Permissions.ownedBy(0));
    tree.create(new StorePath("/a/b/c/d"), bytes("x"), Permissions.ownedBy(5));
    assertEquals(3, tree.owned(5));
    assertEquals(
        "kept",
        new String(
            tree.find(new StorePath("/a")).orElseThrow().value(), StandardCharsets.ISO_8859_1));
    assertEquals(List.of("d"), tree.find(new StorePath("/a/b/c")).orElseThrow().children());
    Tree.Nearest nearest = tree.nearest(new StorePath("/a/b/x/y"));
    assertEquals(2, nearest.depth());
    assertEquals(2, nearest.missing());
    assertEquals("/a/b", new StorePath("/a/b/x/y").ancestor(nearest.depth()).text());
    List<byte[]> values = new ArrayList<>();
    Tree.forEachNode(tree.root(), node -> values.add(node.value()));
    assertEquals(5, values.size());
  }

  @Test
  void ancestorsAreCountedInNames() {
    StorePath path = new StorePath("/a/bc/d");
    assertEquals("/", path.ancestor(0).text());
    assertEquals("/a", path.ancestor(1).text());
    assertEquals("/a/bc", path.ancestor(2).text());
    assertEquals("/a/bc/d", path.ancestor(3).text());
    assertEquals("/", StorePath.ROOT.ancestor(0).text());
  }
}
