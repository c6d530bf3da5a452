package dev.domus.determinism;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.plugin.VirtualTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
    twice(
        scheduler,
        laboratory -> {
          laboratory.add("hello", "seconds=2", 1);
          laboratory.start();
          List<String> states = laboratory.run(10 * SECOND, 100 * MILLI);
          assertTrue(laboratory.said(0).contains("hello: goodbye"), laboratory.said(0));
          assertTrue(laboratory.time().nanos() > 2 * SECOND);
          return states;
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"credit", "eevdf"})
  void aGuestThatComputesForSeconds(String scheduler) throws Exception {
    twice(
        scheduler,
        laboratory -> {
          laboratory.add("spin", "seconds=3", 1);
          laboratory.start();
          List<String> states = laboratory.run(10 * SECOND, 250 * MILLI);
          assertTrue(laboratory.said(0).contains("spin: total t="), laboratory.said(0));
          assertTrue(laboratory.time().nanos() > 3 * SECOND);
          return states;
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"credit", "eevdf"})
  void guestsThatCompete(String scheduler) throws Exception {
    twice(
        scheduler,
        laboratory -> {
          laboratory.add("spin", "seconds=1", 1);
          laboratory.add("spin", "seconds=1 period_ms=70", 1);
          laboratory.add("hello", "seconds=1", 1);
          laboratory.start();
          List<String> states = laboratory.run(5 * SECOND, 50 * MILLI);
          assertTrue(laboratory.allEnded());
          return states;
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"credit", "eevdf"})
  void twoGuestsThatCallEachOther(String scheduler) throws Exception {
    twice(
        scheduler,
        laboratory -> {
          laboratory.add("pingpong", "role=server peer=2", 1);
          laboratory.add("pingpong", "role=client peer=1 rounds=2000", 1);
          laboratory.start();
          List<String> states = laboratory.run(60 * SECOND, 20 * MILLI);
          assertTrue(laboratory.said(1).contains("data ok"), laboratory.said(1));
          return states;
        });
  }

  @ParameterizedTest
  @CsvSource({"credit, 2", "eevdf, 3", "credit, 4"})
  void vcpusOfOneGuestOnOnePcpu(String scheduler, int vcpus) throws Exception {
    twice(
        scheduler,
        laboratory -> {
          laboratory.add("smp", "", vcpus);
          laboratory.start();
          List<String> states = laboratory.run(120 * SECOND, 100 * MILLI);
          assertTrue(laboratory.said(0).contains(" passed, 0 failed"), laboratory.said(0));
          return states;
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"credit", "eevdf"})
  void thousandsOfEvents(String scheduler) throws Exception {
    twice(
        scheduler,
        laboratory -> {
          laboratory.add("events", "", 1);
          laboratory.start();
          List<String> states = laboratory.run(60 * SECOND, 100 * MILLI);
          assertTrue(laboratory.said(0).contains(" passed, 0 failed"), laboratory.said(0));
          return states;
        });
  }

  @Test
  void typingAtAnInstantIsAnInput() throws Exception {
    Scenario early = laboratory -> asked(laboratory, "stranger", 200 * MILLI);
    assertEquals(once("credit", 0, early), once("credit", 0, early));
    assertNotEquals(
        once("credit", 0, early),
        once("credit", 0, laboratory -> asked(laboratory, "stronger", 200 * MILLI)));
    assertNotEquals(
        once("credit", 0, early),
        once("credit", 0, laboratory -> asked(laboratory, "stranger", 201 * MILLI)));
  }

  private static List<String> asked(Laboratory laboratory, String answer, long atNanos)
      throws Exception {
    laboratory.add("hello", "ask", 1);
    laboratory.start();
    laboratory.run(atNanos, atNanos);
    laboratory.type(0, answer + "\n");
    List<String> states = laboratory.run(SECOND, 10 * MILLI);
    assertTrue(laboratory.said(0).contains("good day, " + answer), laboratory.said(0));
    return states;
  }

  @Test
  void anotherSeedIsAnotherRunAndTheSameSeedTheSame() throws Exception {
    Scenario scenario =
        laboratory -> {
          laboratory.add("hello", "seconds=1", 1);
          laboratory.start();
          return laboratory.run(5 * SECOND, 50 * MILLI);
        };
    List<String> seven = once("credit", 7, scenario);
    assertEquals(seven, once("credit", 7, scenario));
    assertNotEquals(seven, once("credit", 8, scenario));
    assertNotEquals(seven, once("credit", 0, scenario));
  }

  @Test
  void lookingMoreOftenChangesNothing() throws Exception {
    String[] ends = new String[2];
    long[] steps = {1000 * MILLI, 777_777};
    for (int i = 0; i < ends.length; i++) {
      int which = i;
      once(
          "credit",
          0,
          laboratory -> {
            laboratory.add("spin", "seconds=1 period_ms=100", 1);
            laboratory.add("hello", "seconds=1", 1);
            laboratory.start();
            laboratory.run(400 * MILLI, steps[which]);
            ends[which] = laboratory.state();
            return List.of();
          });
    }
    assertEquals(ends[0], ends[1]);
  }

  @Test
  void aSchedulerSwappedAtAnInstantIsAnInputToo() throws Exception {
    Scenario scenario =
        laboratory -> {
          laboratory.add("spin", "seconds=1 period_ms=90", 1);
          laboratory.add("smp", "", 2);
          laboratory.start();
          laboratory.run(200 * MILLI, 50 * MILLI);
          laboratory.swapScheduler("eevdf");
          List<String> states = laboratory.run(600 * MILLI, 50 * MILLI);
          laboratory.swapScheduler("credit");
          states.addAll(laboratory.run(SECOND, 50 * MILLI));
          return states;
        };
    assertEquals(once("credit", 0, scenario), once("credit", 0, scenario));
  }

  @Test
  void timeStandsStillUntilSomebodyLetsItPass() throws Exception {
    once(
        "credit",
        0,
        laboratory -> {
          laboratory.add("spin", "seconds=1", 1);
          laboratory.start();
          String before = laboratory.state();
          laboratory.time().settle();
          assertEquals(before, laboratory.state());
          assertEquals(0, laboratory.time().nanos());
          assertEquals(VirtualTime.Stop.TIME, laboratory.time().runUntil(MILLI));
          assertEquals(MILLI, laboratory.time().nanos());
          assertNotEquals(before, laboratory.state());
          laboratory.guest(0).pause();
          assertEquals(VirtualTime.Stop.NOTHING_TO_DO, laboratory.time().runUntil(Long.MAX_VALUE));
          laboratory.guest(0).unpause();
          assertEquals(VirtualTime.Stop.DOMAIN_ENDED, laboratory.time().runUntil(Long.MAX_VALUE));
          assertTrue(laboratory.time().nanos() < 2 * SECOND);
          return List.of();
        });
  }
}
