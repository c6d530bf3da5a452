package dev.domus.iommu.iova;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The tree against looking at all leaves one by one. */
class OrderTreeTest {
  private static final int LEVELS = 5;
  private static final int LEAVES = 1 << LEVELS;
  private static final int LEAF = 6;

  /**
   * The first block of an order in leaves, where blocks of free leaves are aligned to their size.
   */
  private static int expected(int[] orders, int from, int order) {
    if (order <= LEAF) {
      for (int leaf = from; leaf < LEAVES; leaf++) {
        if (orders[leaf] >= order) {
          return leaf;
        }
      }
      return -1;
    }
    int size = 1 << order - LEAF;
    for (int first = from & -size; first + size <= LEAVES; first += size) {
      boolean free = true;
      for (int leaf = first; leaf < first + size; leaf++) {
        free &= orders[leaf] == LEAF;
      }
      if (free) {
        return first;
      }
    }
    return -1;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void findsWhatASearchOfAllLeavesFinds(long seed) {
    Random random = new Random(seed);
    OrderTree buddies = new OrderTree(LEVELS, LEAF, true);
    OrderTree plain = new OrderTree(LEVELS, LEAF, false);
    int[] orders = new int[LEAVES];
    java.util.Arrays.fill(orders, LEAF);
    for (int step = 0; step < 20_000; step++) {
      int leaf = random.nextInt(LEAVES);
      orders[leaf] = random.nextInt(4) > step % 3 ? LEAF : random.nextInt(LEAF + 2) - 1;
      buddies.set(leaf, orders[leaf]);
      plain.set(leaf, orders[leaf]);
      int order = random.nextInt(LEAF + LEVELS + 1);
      assertEquals(expected(orders, 0, order), buddies.first(0, order), "order " + order);
      int from = random.nextInt(LEAVES + 1);
      int of = Math.min(order, LEAF);
      assertEquals(expected(orders, from, of), plain.first(from, of), "from " + from);
      assertEquals(orders[leaf], plain.at(leaf));
    }
  }
}
