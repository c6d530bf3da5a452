package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** {@code domus demo} works, ends by itself in time, and shows what it promises. */
class DemoTest {
  private static final int PROMISED_SECONDS = 20;
  private static final String OVERLOADED = "The host is overloaded";
  private static final String REASON =
      "SKIPPED: CPU shares are not tested, because this host has no CPU time to share";

  @Test
  @Timeout(120)
  void bothConsolesTheSharesTheSwapsAndTheNextStepsAreShown() throws Exception {
    long started = System.nanoTime();
    try (DomusProcess domus = DomusProcess.start("demo")) {
      int status = domus.await(60);
      if (status == 1 && domus.out().contains(OVERLOADED)) {
        System.err.println(REASON);
        Assumptions.abort(REASON);
      }
      assertEquals(0, status, domus::transcript);
      double seconds = (System.nanoTime() - started) / 1e9;
      assertTrue(seconds < PROMISED_SECONDS, () -> "took " + seconds + " s" + domus.transcript());
      for (String expected :
          new String[] {
            "[spin1] spin: t=",
            "[spin2] spin: t=",
            "CPU time under \"credit\"",
            "CPU time under \"rr\"",
            "\"credit\" to \"rr\"",
            "\"rr\" to \"credit\"",
            "2 vCPUs handed over; the guests were held up for",
            "How to go on",
          }) {
        assertTrue(
            domus.out().contains(expected), () -> "missing: " + expected + domus.transcript());
      }
      assertFalse(domus.out().contains("\033["), "no ANSI sequences into a pipe");
    }
  }

  @Test
  @Timeout(120)
  void twoGuestsTalkThroughAGrantedPage() throws Exception {
    try (DomusProcess domus = DomusProcess.start("demo", "pingpong")) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(
          domus.out().contains("500 rounds") && domus.out().contains("data ok"), domus::transcript);
      assertTrue(domus.out().contains("taken back, not in use"), domus::transcript);
    }
  }
}
