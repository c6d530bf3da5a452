package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.toolstack.BadInputException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two hostile guests that help each other, beside one that sleeps, whose memory is compared page by
 * page, and one that works, whose share of the processors is measured.
 */
class LeagueTest {
  private static final int PATIENCE_SECONDS = 240;

  private TestHost host;
  private TestGuest sleeper;
  private TestGuest worker;
  private TestGuest first;
  private TestGuest second;
  private long[] before;

  @BeforeEach
  void aMachineWithInnocentGuests() throws Exception {
    host = new TestHost();
    sleeper = host.start("hello", "ask");
    sleeper.awaitSaid("who is there? ", PATIENCE_SECONDS);
    before = sleeper.settledMemory();
    worker = host.start("spin", "period_ms=20");
    worker.awaitSaid("rate=", PATIENCE_SECONDS);
  }

  @AfterEach
  void goes() {
    host.close();
  }

  private void startLeague(String options) throws BadInputException {
    int next = worker.domid() + 1;
    first = host.start("hostile", "role=first peer=%d %s".formatted(next + 1, options));
    second = host.start("hostile", "role=second peer=%d %s".formatted(next, options));
    assertEquals(next, first.domid(), "the number that the second was given for the first");
    assertEquals(next + 1, second.domid(), "the number that the first was given for the second");
  }

  @Test
  void theyDoToEachOtherWhatOneAloneCannotAndAllOfItIsRefused() throws Exception {
    startLeague("");
    String said = first.awaitEnd(PATIENCE_SECONDS) + second.awaitEnd(PATIENCE_SECONDS);
    assertFalse(said.contains("FAIL"), said);
    assertEquals(2, said.split(" 0 failed", -1).length - 1, said);
    nobodyElseHasNoticed();
  }

  @Test
  void oneDiesWhileTheOtherHoldsItsPages() throws Exception {
    startLeague("part=holding");
    second.awaitEnd(PATIENCE_SECONDS);
    first.awaitSaid("holding", PATIENCE_SECONDS);
    destroy(second);
    first.type("gone");
    String said = first.awaitEnd(PATIENCE_SECONDS);
    assertTrue(said.contains(" 0 failed"), said);
    nobodyElseHasNoticed();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2})
  void theyMakeRandomCallsWithEachOthersFrames(long seed) throws Exception {
    storm(seed, 10_000);
  }

  @Tag("long")
  @ParameterizedTest
  @ValueSource(longs = {10, 11, 12, 13, 14, 15})
  void manyMoreRandomCalls(long seed) throws Exception {
    storm(seed, 50_000);
  }

  private void storm(long seed, int steps) throws Exception {
    startLeague("part=storm seed=%d steps=%d".formatted(seed, steps));
    long start = worker.info().cpuNanos();
    first.awaitEnd(PATIENCE_SECONDS);
    second.awaitEnd(PATIENCE_SECONDS);
    long worked = worker.info().cpuNanos() - start;
    long attacked = first.info().cpuNanos() + second.info().cpuNanos();
    assertEquals(DomainInfo.POWEROFF, first.info().shutdownReason(), first.said());
    assertEquals(DomainInfo.POWEROFF, second.info().shutdownReason(), second.said());
    // Three want two processors and round robin gives each as much: a third of what all have had.
    // The worker ran on
    // while the attackers were being built and taken down, which only adds to it.
    assertTrue(
        worked >= (worked + attacked) / 5,
        "the worker had " + worked + " ns of CPU time, its attackers " + attacked);
    nobodyElseHasNoticed();
  }

  /** In the middle of everything one of them is taken apart. */
  @ParameterizedTest
  @ValueSource(longs = {3, 4, 5})
  void oneIsDestroyedInTheMiddleOfTheStorm(long seed) throws Exception {
    startLeague("part=storm steps=12000 seed=" + seed);
    second.awaitSaid("random: 3600 of", PATIENCE_SECONDS);
    destroy(second);
    first.awaitEnd(PATIENCE_SECONDS);
    assertEquals(DomainInfo.POWEROFF, first.info().shutdownReason(), first.said());
    nobodyElseHasNoticed();
  }

  private void destroy(TestGuest guest) {
    guest.close();
    if (host.control().domain(guest.domid()).isPresent()) {
      host.control().destroyDomain(guest.domid());
    }
  }

  /** The frame table is whole, with the attackers and without; the innocent are as they were. */
  private void nobodyElseHasNoticed() throws Exception {
    host.control().pause(sleeper.domid());
    assertArrayEquals(before, sleeper.memory(), "the sleeper's memory, by pages");
    host.control().pause(worker.domid());
    for (TestGuest guest : new TestGuest[] {sleeper, worker, first, second}) {
      guest.close();
    }
    host.scan();
    destroy(first);
    destroy(second);
    host.scan();
    for (TestGuest innocent : new TestGuest[] {sleeper, worker}) {
      innocent.reopen();
      host.control().unpause(innocent.domid());
    }
    assertFalse(worker.said().contains("panic"), worker.said());
    int lines = worker.said().length();
    worker.awaitMore(lines, PATIENCE_SECONDS);
    sleeper.type("a friend");
    String answer = sleeper.awaitEnd(PATIENCE_SECONDS);
    assertTrue(answer.contains("good day, a friend"), answer);
  }
}
