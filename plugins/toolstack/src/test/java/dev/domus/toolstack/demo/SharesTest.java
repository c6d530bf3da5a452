package dev.domus.toolstack.demo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

class SharesTest {
  private static final List<Integer> ONE_TO_TWO = List.of(256, 512);
  private static final List<Integer> EQUAL = List.of(1, 1);

  @Test
  void sharesAreOfWhatTheGuestsHadNotOfTheTimeThatWentBy() {
    Shares shares =
        new Shares(4_000_000_000L, 4_000_000_000L, List.of(1_000_000_000L, 2_000_000_000L));
    assertEquals(33.3, shares.percent(0), 0.1);
    assertTrue(shares.areAsBy(ONE_TO_TWO));
    assertFalse(shares.areAsBy(EQUAL));
  }

  @Test
  void aFewSlicesMoreOrLessAreNoFault() {
    assertTrue(new Shares(100, 100, List.of(43L, 57L)).areAsBy(EQUAL));
    assertFalse(new Shares(100, 100, List.of(42L, 58L)).areAsBy(EQUAL));
  }

  @Test
  void guestsThatHadNothingWereNotServedByWeight() {
    assertFalse(new Shares(100, 100, List.of(0L, 0L)).areAsBy(EQUAL));
  }

  @Test
  void aHostThatHasNoTimeForUsIsNoticed() {
    assertTrue(new Shares(100, 79, List.of(40L, 60L)).hostWasOverloaded());
    assertFalse(new Shares(100, 81, List.of(40L, 60L)).hostWasOverloaded());
  }

  @Test
  void theTableShowsWhatWasAndWhatShouldHaveBeen() {
    StringWriter out = new StringWriter();
    new Shares(4_000_000_000L, 4_000_000_000L, List.of(1_000_000_000L, 2_000_000_000L))
        .show(new Stage(new PrintWriter(out), false), List.of("spin1", "spin2"), ONE_TO_TWO);
    assertEquals(
        """
          domain     CPU time    share   expected   (over 4.0 s, pCPU 75 % busy)
          spin1       1.000 s   33.3 %     33.3 %
          spin2       2.000 s   66.7 %     66.7 %
        """,
        out.toString());
  }
}
