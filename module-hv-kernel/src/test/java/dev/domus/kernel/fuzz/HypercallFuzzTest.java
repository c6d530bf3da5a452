package dev.domus.kernel.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.HypercallNumber;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Random and spoiled hypercalls from several domains, with scans of memory, grants and ports in
 * between. A run begins with the seeds 0, 1, 2 …, so it does the same each time as far as it gets;
 * the system property domus.fuzzSeed begins elsewhere, and domus.fuzzScan says after how many calls
 * to scan: 1 finds the call at fault.
 */
final class HypercallFuzzTest {
  private static final int CALLS_A_SEED = 100_000;
  private static final long SECONDS = 8, STORM_SECONDS = 5, LONG_SECONDS = 600;
  private static final long ROUND_MILLIS = 10;

  @Test
  void nothingThatDomainsAskForBreaksWhatHoldsBetweenThem() {
    fuzz(SECONDS);
  }

  @Test
  @Tag("long")
  void norInTenMinutes() {
    fuzz(LONG_SECONDS);
  }

  @Test
  @Timeout(120)
  void norFromSeveralProcessorsAtOnce() throws InterruptedException {
    storm(STORM_SECONDS);
  }

  @Test
  @Tag("long")
  void norFromSeveralProcessorsInTenMinutes() throws InterruptedException {
    storm(LONG_SECONDS);
  }

  private static void storm(long seconds) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    int rounds = 0;
    try (Storm storm = new Storm(Long.getLong("domus.fuzzSeed", 0))) {
      for (; System.nanoTime() < end; rounds++) {
        storm.round(ROUND_MILLIS);
        assertEquals("", storm.hypervisorFault());
      }
      storm.end();
      System.out.printf("storm: %,d calls, %d scans%n", storm.calls(), rounds);
      assertTrue(storm.calls() > 0);
    }
  }

  private static void fuzz(long seconds) {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long cpuStarted = threads.getCurrentThreadCpuTime();
    long started = System.nanoTime();
    long end = started + TimeUnit.SECONDS.toNanos(seconds);
    try (Fuzzer fuzzer = new Fuzzer(Integer.getInteger("domus.fuzzScan", 4096))) {
      for (long seed = Long.getLong("domus.fuzzSeed", 0); System.nanoTime() < end; seed++) {
        fuzzer.run(seed, CALLS_A_SEED);
      }
      fuzzer.end();
      double elapsed = (threads.getCurrentThreadCpuTime() - cpuStarted) / 1e9;
      System.out.printf(
          "fuzzer: %,d calls in %.1f s of CPU time: %,.0f a second; did something/made: %s%n",
          fuzzer.calls(), elapsed, fuzzer.calls() / elapsed, fuzzer.coverage());
      for (int number :
          new int[] {
            HypercallNumber.MMU_UPDATE,
            HypercallNumber.MMUEXT_OP,
            HypercallNumber.GRANT_TABLE_OP,
            HypercallNumber.EVENT_CHANNEL_OP,
            HypercallNumber.MEMORY_OP,
            HypercallNumber.DOMCTL
          }) {
        assertTrue(
            fuzzer.succeeded(number) > 0, "never did anything: " + HypercallNumber.name(number));
      }
    }
  }
}
