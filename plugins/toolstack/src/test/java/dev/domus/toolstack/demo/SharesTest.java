package dev.domus.toolstack.demo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.toolstack.demo.Shares.Judgement;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

class SharesTest {
  private static final List<Integer> ONE_TO_TWO = List.of(256, 512);
  private static final List<Integer> EQUAL = List.of(1, 1);

  private static final long MS = 1_000_000;

  private static Shares shares(long millis, long first, long second) {
    return new Shares(millis * MS, List.of(first * MS, second * MS));
  }

  @Test
  void sharesAreOfWhatTheGuestsHadNotOfTheTimeThatWentBy() {
    Shares shares = shares(4_000, 1_000, 2_000);
    assertEquals(33.3, shares.percent(0), 0.1);
    assertEquals(Judgement.AS_EXPECTED, shares.judge(ONE_TO_TWO));
    assertEquals(Judgement.WRONG, shares.judge(EQUAL));
  }

  @Test
  void aSliceMoreOrLessIsNoFaultAndWeighsMoreInAShorterTime() {
    assertEquals(Judgement.AS_EXPECTED, shares(4_000, 1_890, 2_110).judge(EQUAL));
    assertEquals(Judgement.WRONG, shares(4_000, 1_870, 2_130).judge(EQUAL));
    assertEquals(Judgement.AS_EXPECTED, shares(4_000, 180, 220).judge(EQUAL));
    assertEquals(Judgement.WRONG, shares(4_000, 175, 225).judge(EQUAL));
  }

  @Test
  void withoutCpuTimeThereAreNoSharesToJudge() {
    Shares shares = shares(4_000, 70, 170);
    assertEquals(Judgement.TOO_LITTLE, shares.judge(ONE_TO_TWO));
    assertTrue(
        shares
            .whyTooLittle()
            .contains("0.240 s of CPU time, and shares cannot be told from less than 0.25 s"),
        shares.whyTooLittle());
    assertEquals(Judgement.TOO_LITTLE, shares(4_000, 0, 0).judge(EQUAL));
  }

  @Test
  void theTableShowsWhatWasAndWhatShouldHaveBeen() {
    StringWriter out = new StringWriter();
    shares(4_000, 1_000, 2_000)
        .show(new Stage(new PrintWriter(out), false), List.of("spin1", "spin2"), ONE_TO_TWO);
    assertEquals(
        """
          domain     CPU time    share   expected   (over 4.0 s; the host gave the pCPU 75 % of it)
          spin1       1.000 s   33.3 %     33.3 %
          spin2       2.000 s   66.7 %     66.7 %
        """,
        out.toString());
  }
}
