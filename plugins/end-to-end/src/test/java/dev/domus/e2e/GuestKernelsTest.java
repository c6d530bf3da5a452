package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Our guest kernels, whose own checks have been tried on Xen; those that RunTest does not have. */
@Timeout(180)
class GuestKernelsTest {
  @Test
  void everyExceptionArrivesAsTheAbiSays() throws Exception {
    try (DomusProcess domus = DomusProcess.start("run", "--kernel", DomusProcess.guest("faults"))) {
      assertEquals(0, domus.await(150), domus::transcript);
      assertTrue(domus.out().contains(" passed, 0 failed"), domus::transcript);
      assertFalse(domus.out().contains("FAIL"), domus::transcript);
    }
  }

  @Test
  void storesToPageTablesAreCarriedOutOrRefused() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", DomusProcess.guest("wpt"), "--cmdline", "loops=1000")) {
      assertEquals(0, domus.await(150), domus::transcript);
      assertTrue(domus.out().contains(" passed, 0 failed"), domus::transcript);
      assertFalse(domus.out().contains("FAIL"), domus::transcript);
    }
  }

  @Test
  void aFixedPieceOfWorkComesToTheResultThatItHasOnXen() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", DomusProcess.guest("spin"), "--cmdline", "loops=10000")) {
      assertEquals(0, domus.await(150), domus::transcript);
      assertTrue(domus.out().contains("checksum=a4cd00666fd210db"), domus::transcript);
    }
  }

  @Test
  void aDomainCanGrantToItself() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("pingpong"),
            "--cmdline",
            "role=self rounds=200")) {
      assertEquals(0, domus.await(150), domus::transcript);
      assertTrue(domus.out().contains("data ok"), domus::transcript);
    }
  }

  @Test
  void aGuestHearsWhatIsTypedAndHasItsCommandLine() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start("run", "--kernel", DomusProcess.guest("hello"), "--cmdline", "ask")) {
      domus.awaitOutput("hello: command line \"ask\"", 60);
      domus.type("stranger\n");
      domus.endInput();
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.out().contains("good day, stranger"), domus::transcript);
    }
  }
}
