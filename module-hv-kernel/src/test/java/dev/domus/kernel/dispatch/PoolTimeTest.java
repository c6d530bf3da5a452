package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** The schedulers' clock. */
class PoolTimeTest {
  @Test
  void stolenTimeDoesNotExist() {
    PoolTime time = new PoolTime(1);
    assertEquals(1_000, time.at(time.advance(1_000)));
    time.steal(400);
    assertEquals(1_100, time.at(time.advance(1_500)));
  }

  @Test
  void aPoolLosesWhatItsCpusLoseOnAverage() {
    PoolTime time = new PoolTime(4);
    assertEquals(1_000, time.at(1_000));
    time.steal(400);
    assertEquals(1_400, time.at(1_500));
  }

  @Test
  void itStandsStillRatherThanGoBackAndNoErrorStays() {
    PoolTime time = new PoolTime(1);
    assertEquals(1_000, time.at(1_000));
    time.steal(500); // found out late
    assertEquals(1_000, time.at(1_100));
    assertEquals(1_000, time.at(1_500));
    assertEquals(1_001, time.at(1_501));
  }

  @Test
  void deadlinesAreTurnedIntoWallTimeAndNeverStaysNever() {
    PoolTime time = new PoolTime(2);
    time.steal(500);
    assertEquals(1_250, time.toWall(1_000));
    assertEquals(1_000, time.at(time.toWall(1_000)));
    assertEquals(Long.MAX_VALUE, time.toWall(Long.MAX_VALUE));
  }
}
