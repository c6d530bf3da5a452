package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** What is charged, and what is not. */
class RunMeterTest {
  private static final long MS = 1_000_000;

  private long wallNanos = 1_000 * MS;
  private long cpuNanos = 77 * MS;
  private int readings;
  private final RunMeter meter =
      new RunMeter(
          () -> {
            readings++;
            return cpuNanos;
          },
          wallNanos);

  private void run(long nanos) {
    wallNanos += nanos;
    cpuNanos += nanos;
  }

  private void steal(long nanos) {
    wallNanos += nanos;
  }

  private long charged() {
    meter.measure(wallNanos);
    return meter.ranNanos();
  }

  @Test
  void whatTheHostStealsIsNotCharged() {
    meter.begin(wallNanos);
    run(3 * MS);
    steal(200 * MS);
    run(4 * MS);
    assertEquals(7 * MS, charged());
    assertEquals(200 * MS, meter.takeStolen());
    assertEquals(0, meter.takeStolen());
  }

  @Test
  void aRunThatGoesOnIsMeasuredInPieces() {
    meter.begin(wallNanos);
    run(3 * MS);
    steal(MS);
    assertEquals(3 * MS, charged());
    run(2 * MS);
    assertEquals(5 * MS, charged());
    meter.begin(wallNanos);
    assertEquals(0, charged());
  }

  @Test
  void idlingIsNeitherChargedNorStolen() {
    meter.begin(wallNanos);
    run(3 * MS);
    charged();
    steal(500 * MS); // asleep: looks the same
    meter.begin(wallNanos);
    run(2 * MS);
    assertEquals(2 * MS, charged());
    assertEquals(0, meter.takeStolen());
  }

  @Test
  void shortRunsAreChargedWithoutAReadingAndTheSumIsRightAllTheSame() {
    SplittableRandom random = new SplittableRandom(5);
    readings = 0;
    long start = wallNanos;
    long startCpu = cpuNanos;
    long sum = 0;
    for (int i = 0; i < 100_000; i++) {
      meter.begin(wallNanos);
      run(random.nextLong(1_000, 60_000));
      if (random.nextInt(10) == 0) {
        steal(random.nextLong(1_000, 5 * MS));
      }
      sum += charged();
    }
    assertTrue(readings <= (wallNanos - start) / RunMeter.GRAIN_NANOS, "readings=" + readings);
    assertTrue(readings < 90_000, "readings=" + readings);
    assertEquals(cpuNanos - startCpu, sum, (double) RunMeter.GRAIN_NANOS);
    assertEquals(wallNanos - start - sum, meter.takeStolen());
  }

  @Test
  void aRunInProgressIsSeenFromOutside() {
    meter.begin(wallNanos);
    long started = wallNanos;
    run(3 * MS);
    steal(9 * MS);
    assertEquals(3 * MS, meter.soFarNanos(started, wallNanos));
    charged();
    run(MS);
    assertEquals(4 * MS, meter.soFarNanos(started, wallNanos));
  }
}
