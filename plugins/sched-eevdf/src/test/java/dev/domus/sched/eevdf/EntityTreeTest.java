package dev.domus.sched.eevdf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class EntityTreeTest {
  /** Near the wrap, so that an ordinary comparison would be wrong. */
  private static final long ORIGIN = Long.MAX_VALUE - 500;

  private static Entity entity(long vruntime, long deadline) {
    Entity entity = new Entity(null);
    entity.weight = 256;
    entity.vruntime = ORIGIN + vruntime;
    entity.deadline = ORIGIN + deadline;
    return entity;
  }

  @Test
  void randomHistoriesAnswerAsAListDoes() {
    for (long seed = 0; seed < 200; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      EntityTree tree = new EntityTree();
      List<Entity> model = new ArrayList<>();
      int span = 1 + random.nextInt(1_000); // small ones make ties
      for (int step = 0; step < 400; step++) {
        if (model.isEmpty() || random.nextInt(5) < 3) {
          long vruntime = random.nextInt(span);
          Entity entity = entity(vruntime, vruntime + random.nextInt(span));
          tree.insert(entity);
          model.add(entity);
        } else {
          tree.remove(model.remove(random.nextInt(model.size())));
        }
        assertEquals(model.size(), tree.size());
        long now = random.nextInt(span);
        Entity found = tree.earliestUpTo(ORIGIN + now);
        List<Entity> eligible =
            model.stream().filter(entity -> entity.vruntime - (ORIGIN + now) <= 0).toList();
        if (eligible.isEmpty()) {
          assertNull(found);
        } else {
          long earliest =
              eligible.stream().mapToLong(entity -> entity.deadline - ORIGIN).min().orElseThrow();
          assertEquals(earliest, found.deadline - ORIGIN, "seed " + seed);
          assertTrue(eligible.contains(found));
        }
        if (!model.isEmpty()) {
          long least =
              model.stream()
                  .map(entity -> entity.vruntime - ORIGIN)
                  .min(Comparator.naturalOrder())
                  .orElseThrow();
          assertEquals(least, tree.first().vruntime - ORIGIN);
        }
      }
    }
  }
}
