package dev.domus.sched.simulator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Comparator;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class EventQueueTest {
  private record Due(long atNanos, long order) {}

  @Test
  void randomHistoriesAnswerAsASortedListDoes() {
    for (long seed = 0; seed < 200; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      int sources = 1 + random.nextInt(60);
      EventQueue queue = new EventQueue(sources);
      Map<Integer, Due> model = new TreeMap<>();
      long order = 0;
      for (int step = 0; step < 1_000; step++) {
        int source = random.nextInt(sources);
        switch (random.nextInt(5)) {
          case 0 -> {
            queue.cancel(source);
            model.remove(source);
          }
          case 1 -> {
            if (!model.isEmpty()) {
              int first =
                  model.entrySet().stream()
                      .min(
                          Comparator.comparingLong(
                                  (Map.Entry<Integer, Due> due) -> due.getValue().atNanos())
                              .thenComparingLong(due -> due.getValue().order()))
                      .orElseThrow()
                      .getKey();
              assertEquals(model.get(first).atNanos(), queue.nextNanos());
              assertEquals(first, queue.poll(), "seed " + seed);
              model.remove(first);
            }
          }
          default -> {
            long at = random.nextLong(20); // few, so that there are ties
            queue.set(source, at);
            model.put(source, new Due(at, order++));
          }
        }
        assertEquals(model.isEmpty(), queue.isEmpty());
        Due due = model.get(source);
        assertEquals(due == null ? Long.MAX_VALUE : due.atNanos(), queue.nanosOf(source));
      }
      assertTrue(model.size() <= sources);
    }
  }
}
