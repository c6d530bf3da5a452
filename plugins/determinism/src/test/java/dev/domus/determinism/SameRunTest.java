package dev.domus.determinism;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same inputs give the same run: two machines are in the same state whenever one looks. */
@Timeout(300)
class SameRunTest {
  private static final long MILLI = 1_000_000, SECOND = 1_000_000_000;

  /** What a run is made of. */
  private interface Scenario {
    List<String> play(Laboratory laboratory) throws Exception;
  }

  private static List<String> once(String scheduler, long seed, Scenario scenario)
      throws Exception {
    try (Laboratory laboratory = new Laboratory(scheduler, seed)) {
      return scenario.play(laboratory);
    }
  }

  private static void twice(String scheduler, Scenario scenario) throws Exception {
    assertEquals(once(scheduler, 0, scenario), once(scheduler, 0, scenario));
  }

  @ParameterizedTest
  @ValueSource(strings = {"credit", "eevdf"})
  void aGuestThatSaysHello(String scheduler) throws Exception {
    twice(scheduler, laboratory -> {
      laboratory.add("hello", "seconds=2", 1);
      laboratory.start();
      List<String> states = laboratory.run(10 * SECOND, 100 * MILLI);
      assertTrue(laboratory.said(0).contains("hello: goodbye"), laboratory.said(0));
      assertTrue(laboratory.time().nanos() > 2 * SECOND);
      return states;
    });
  }
}
