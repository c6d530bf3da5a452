package dev.domus.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TranslationCacheTest {
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void holdsNothingThatWasNotInsertedOrIsRemoved(long seed) {
    Random random = new Random(seed);
    TranslationCache cache = new TranslationCache(3, 12);
    Map<Long, Long> model = new HashMap<>();
    int hits = 0;
    for (int step = 1; step < 50_000; step++) {
      int did = 1 + random.nextInt(3);
      long iova = (long) random.nextInt(64) << 12 | (random.nextBoolean() ? 1L << 56 : 0);
      long key = cache.key(did, iova | random.nextInt(4096));
      switch (random.nextInt(12)) {
        case 0 -> {
          cache.remove(key);
          model.remove(key);
        }
        case 1 -> {
          long last = iova + ((long) random.nextInt(40) << 12) + 5;
          cache.removeRange(did, iova + 7, last);
          model
              .keySet()
              .removeIf(k -> (k & 0xFFF) == did && (k & -4096) >= iova && (k & -4096) <= last);
        }
        case 2 -> {
          if (random.nextInt(20) == 0) {
            cache.removeDomain(did);
            model.keySet().removeIf(k -> (k & 0xFFF) == did);
          } else if (random.nextInt(50) == 0) {
            cache.removeAll();
            model.clear();
            assertEquals(0, cache.size());
          }
        }
        case 3, 4, 5 -> {
          cache.insert(key, step);
          model.put(key, (long) step);
          assertEquals(step, cache.find(key));
        }
        default -> {
          long found = cache.find(key);
          if (found != TranslationCache.MISS) {
            assertEquals(model.get(key), found);
            hits++;
          }
        }
      }
    }
    assertTrue(hits > 1000, "hits " + hits);
  }

  @Test
  void anEmptyEntryHasNoKeyThatFits() {
    TranslationCache cache = new TranslationCache(0, 12);
    cache.insert(cache.key(1, 0), 5);
    cache.remove(cache.key(1, 0));
    assertEquals(TranslationCache.MISS, cache.find(0));
    assertEquals(TranslationCache.MISS, cache.peek(0, 0));
  }

  @Test
  void aSetHoldsAsManyAsItHasWays() {
    TranslationCache cache = new TranslationCache(4, 12);
    for (int i = 0; i < TranslationCache.WAYS; i++) {
      cache.insert(cache.key(1, (long) i << 16), i + 1);
    }
    for (int i = 0; i < TranslationCache.WAYS; i++) {
      assertEquals(i + 1, cache.find(cache.key(1, (long) i << 16)));
    }
    cache.insert(cache.key(1, 9L << 16), 9);
    assertEquals(9, cache.find(cache.key(1, 9L << 16)));
    assertEquals(TranslationCache.WAYS, cache.size());
    assertNotEquals(cache.key(1, 0), cache.key(2, 0));
  }
}
