package dev.domus.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The catalogue as it was compiled in, and what is planned from it. */
class PlanTest {
  private final List<Catalogue.Entry> entries = Catalogue.read().entries();

  @Test
  void everyFloorIsMeasuredBeforeWhatItBounds() {
    Plan plan = Plan.of(entries, false, 2, 3);
    assertFalse(plan.subjects().isEmpty());
    for (Plan.Subject subject : plan.subjects()) {
      int floor = plan.trials().indexOf(subject.floor());
      assertTrue(floor >= 0 && floor < plan.trials().indexOf(subject.trial()), subject::toString);
    }
    Set<Trial> once = new HashSet<>(plan.trials());
    assertEquals(once.size(), plan.trials().size());
  }

  @Test
  void aQuickRunIsShorterAndHasNoMoreThanTheEndsOfEachParameter() {
    Plan quick = Plan.of(entries, true, 2, 1);
    Plan full = Plan.of(entries, false, 2, 3);
    assertTrue(quick.estimate().multipliedBy(4).compareTo(full.estimate()) < 0);
    for (Plan.Subject subject : quick.subjects()) {
      assertEquals(subject.entry().threads().getFirst(), subject.trial().threads());
      subject
          .trial()
          .parameters()
          .forEach((name, value) -> {
            List<String> all = subject.entry().parameters().get(name);
            assertTrue(value.equals(all.getFirst()) || value.equals(all.getLast()), name + value);
          });
    }
  }

  @Test
  void noMoreThreadsAreRunThanThereAreProcessors() {
    assertTrue(
        Plan.of(entries, false, 1, 1).trials().stream().allMatch(trial -> trial.threads() == 1));
  }

  @Test
  void everyPathHasAnExplanation() {
    for (Catalogue.Entry entry : entries) {
      assertTrue(entry.path().matches("[a-z0-9-]+"), entry::path);
      assertTrue(entry.what().length() > 10, entry::what);
    }
  }
}
