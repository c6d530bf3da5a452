package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code domus sched simulate} finds the schedulers of the image. */
class SimulateTest {
  @TempDir private Path directory;

  @Test
  @Timeout(120)
  void everySchedulerOfTheImageIsSimulatedAndTheMistakenOneIsNamed() throws Exception {
    Path page = directory.resolve("page.html");
    try (DomusProcess domus =
        DomusProcess.start(
            "sched",
            "simulate",
            "--time",
            "100ms",
            "--scheduler",
            "credit,eevdf,rr",
            "--html",
            page)) {
      assertEquals(0, domus.await(100), domus::transcript);
      assertTrue(domus.out().contains("wake-up latency p99"), domus::transcript);
    }
    assertTrue(Files.readString(page).contains("<figure>"));
    try (DomusProcess domus = DomusProcess.start("sched", "simulate", "--scheduler", "fair")) {
      assertEquals(2, domus.await(100), domus::transcript);
      assertTrue(domus.err().contains("there is no scheduler \"fair\""), domus::transcript);
    }
  }
}
