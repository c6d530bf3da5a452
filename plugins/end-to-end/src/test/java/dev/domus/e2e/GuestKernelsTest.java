package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
  void everyMappingPathDoesItsWorkWhenMeasured() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", DomusProcess.guest("membench"), "--cmdline", "loops=512 rounds=1")) {
      assertEquals(0, domus.await(150), domus::transcript);
      assertTrue(domus.out().contains("membench: done"), domus::transcript);
    }
  }

  @Test
  void thousandsOfFifoEventsComeInOrder() throws Exception {
    try (DomusProcess domus = DomusProcess.start("run", "--kernel", DomusProcess.guest("events"))) {
      assertEquals(0, domus.await(150), domus::transcript);
      assertTrue(domus.out().contains(" passed, 0 failed"), domus::transcript);
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

  /** Linked three times, with the notes that move things about; the kernel itself looks. */
  @ParameterizedTest
  @CsvSource({"layout, 5000", "layout-low, 8192", "layout-high, 700001", "layout-high, 0"})
  void whatTheNotesOfAnImageAskForIsThere(String image, int ramdiskBytes, @TempDir Path dir)
      throws Exception {
    Path ramdisk = dir.resolve("ramdisk");
    byte[] contents = new byte[ramdiskBytes];
    for (int i = 0; i < ramdiskBytes; i++) {
      contents[i] = (byte) (7 * i + i / 4096);
    }
    Files.write(ramdisk, contents);
    List<Object> arguments =
        new ArrayList<>(
            List.of(
                "run",
                "--kernel",
                DomusProcess.guest(image),
                "--cmdline",
                "ramdisk=" + ramdiskBytes));
    if (ramdiskBytes != 0) {
      arguments.addAll(List.of("--ramdisk", ramdisk));
    }
    try (DomusProcess domus = DomusProcess.start(arguments.toArray())) {
      assertEquals(0, domus.await(150), domus::transcript);
      assertTrue(domus.out().contains(" passed, 0 failed"), domus::transcript);
    }
  }

  @ParameterizedTest
  @CsvSource({"2, 2", "4, 1"})
  void vcpusWorkTogether(int vcpus, int pcpus) throws Exception {
    runSmp(vcpus, pcpus, "");
  }

  @Tag("long")
  @ParameterizedTest
  @CsvSource({"2, 2", "3, 2", "4, 2", "8, 1", "8, 4"})
  void vcpusWorkTogetherForLong(int vcpus, int pcpus) throws Exception {
    runSmp(vcpus, pcpus, "scale=4");
  }

  @Test
  void theLastVcpuThatGoesDownPowersTheDomainOff() throws Exception {
    runSmp(3, 2, "only=bring-up down");
  }

  private static void runSmp(int vcpus, int pcpus, String cmdline) throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("smp"),
            "--vcpus",
            vcpus,
            "--pcpus",
            pcpus,
            "--cmdline",
            cmdline)) {
      assertEquals(0, domus.await(170), domus::transcript);
      assertTrue(domus.out().contains(" passed, 0 failed"), domus::transcript);
      assertFalse(domus.out().contains("FAIL"), domus::transcript);
    }
  }
}
