package dev.domus.kernel.sched;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class CapBucketTest {
  private static final long MS = 1_000_000;

  @Test
  void whatIsUsedIsInTheLongRunTheCapHoweverCoarseTheSlicesAre() {
    for (int cap : new int[] {1, 7, 50, 99, 250}) {
      SplittableRandom random = new SplittableRandom(cap);
      CapBucket bucket = new CapBucket(cap, 5);
      long now = 5;
      long used = 0;
      while (now < 100_000 * MS) {
        if (bucket.leftNanos(now) > 0) {
          long slice = random.nextLong(1, 7 * MS);
          bucket.charge(slice * 3); // three of its units run
          used += slice * 3;
          now += slice;
        } else {
          now = bucket.fullAtNanos(now);
        }
      }
      double most = Math.min(cap, 300) / 100.0;
      assertEquals(most, used / (double) now, most * 0.01, "cap " + cap);
    }
  }

  @Test
  void smallStepsLoseNothing() {
    CapBucket bucket = new CapBucket(1, 0);
    bucket.charge(100_000);
    for (long now = 0; now < 5 * MS; now += 7) {
      bucket.leftNanos(now);
    }
    assertEquals(50_000, bucket.leftNanos(5 * MS));
  }

  @Test
  void anotherCapBeginsFullAndNoCapIsNoLimit() {
    CapBucket bucket = new CapBucket(SchedUnit.NO_CAP, 0);
    assertFalse(bucket.isLimited());
    bucket.charge(1_000 * MS);
    assertEquals(Long.MAX_VALUE, bucket.leftNanos(0));
    bucket.cap(50);
    assertTrue(bucket.isLimited());
    assertEquals(5 * MS, bucket.leftNanos(0));
    bucket.charge(6 * MS);
    bucket.cap(50);
    assertEquals(-MS, bucket.leftNanos(0));
  }
}
