package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.concurrent.FutureTask;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** The host's CPU clocks, against the JVM's view of them. */
@EnabledOnOs(OS.LINUX)
class LinuxCpuTimeTest {
  private static final long MS = 1_000_000;

  @Test
  void aThreadThatWorksHasCpuTimeAndOneThatSleepsHasNone() {
    PcpuClock.CpuTime time = LinuxCpuTime.ofCallingThread().orElseThrow();
    long wallBefore = System.nanoTime();
    long before = time.nanos();
    while (time.nanos() - before < 20 * MS) {
      Thread.onSpinWait();
    }
    long worked = time.nanos() - before;
    assertTrue(worked <= System.nanoTime() - wallBefore, "worked=" + worked);
    before = time.nanos();
    LockSupport.parkNanos(100 * MS);
    assertTrue(time.nanos() - before < 50 * MS, "slept for " + (time.nanos() - before));
  }

  @Test
  void itIsWhatTheJvmSays() {
    PcpuClock.CpuTime time = LinuxCpuTime.ofCallingThread().orElseThrow();
    long jvm = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    assertEquals(jvm, time.nanos(), 100.0 * MS);
  }

  @Test
  void anotherThreadSeesTheSameUntilTheThreadHasEnded() throws Exception {
    FutureTask<PcpuClock.CpuTime> made =
        new FutureTask<>(() -> LinuxCpuTime.ofCallingThread().orElseThrow());
    Thread worker =
        new Thread(() -> {
          made.run();
          while (!Thread.currentThread().isInterrupted()) {
            Thread.onSpinWait();
          }
        });
    worker.start();
    PcpuClock.CpuTime time = made.get();
    long before = time.nanosSeenFromOutside();
    Await.until("it goes on", () -> time.nanosSeenFromOutside() - before > 20 * MS);
    worker.interrupt();
    worker.join();
    time.nanosSeenFromOutside(); // means nothing, and harms nothing
  }
}
