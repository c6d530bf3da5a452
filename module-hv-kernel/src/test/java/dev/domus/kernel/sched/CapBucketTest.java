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
        if (!bucket.isEmpty(now)) {
          for (int i = 0; i < 3; i++) {
            bucket.begin(now);
          }
          long slice = random.nextLong(1, 7 * MS); // whatever it may
          now += slice;
          for (int i = 0; i < 3; i++) {
            bucket.isEmpty(now); // somebody looks at it before all are charged
            bucket.end(slice);
          }
          used += slice * 3;
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
    bucket.begin(0);
    bucket.end(100_000);
    for (long now = 0; now < 5 * MS; now += 7) {
      bucket.isEmpty(now);
    }
    assertEquals(50_000, bucket.begin(5 * MS));
  }

  @Test
  void anotherCapBeginsFullAndNoCapIsNoLimit() {
    CapBucket bucket = new CapBucket(SchedUnit.NO_CAP, 0);
    assertEquals(Long.MAX_VALUE, bucket.begin(0));
    bucket.cap(50);
    bucket.end(0);
    assertEquals(5 * MS, bucket.begin(0));
    assertEquals(5 * MS / 2, bucket.begin(0), "they run together");
    bucket.end(6 * MS);
    bucket.end(0);
    bucket.cap(50);
    assertTrue(bucket.isEmpty(0));
    assertEquals(12 * MS, bucket.fullAtNanos(0));
    bucket.cap(60);
    assertFalse(bucket.isEmpty(0));
  }
}
