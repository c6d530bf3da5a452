package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainInfo;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A guest that attacks beside one that waits for a line of text. Whatever the attacker does, the
 * frame table is what the page tables make it, and the other's memory is what it was and it still
 * answers.
 */
class HostileGuestTest {
  private static final int PATIENCE_SECONDS = 240; // for hosts that are busy with other tests

  @Test
  void directedAttacksAreRefusedAndNobodyElseNotices() throws Exception {
    String said = attack("", 1, DomainInfo.POWEROFF);
    assertTrue(said.contains(" 0 failed"), said);
    assertFalse(said.contains("FAIL"), said);
  }

  /** One vCPU takes pages from use to use while others do to them what was right before. */
  @ParameterizedTest
  @CsvSource({"races, 2, 100", "races, 4, 60", "doublefetch, 3, 60"})
  void racesAgainstTheAttackersOwnVcpusAreLost(String group, int vcpus, int rounds)
      throws Exception {
    String options = "only=%s rounds=%d".formatted(group, rounds);
    String said = attack(options, vcpus, DomainInfo.POWEROFF);
    assertTrue(said.contains(" 0 failed"), said);
  }

  @Tag("long")
  @ParameterizedTest
  @CsvSource({"races, 2", "races, 3", "races, 5", "races, 8", "doublefetch, 2", "doublefetch, 5"})
  void longerRacesAreLostToo(String group, int vcpus) throws Exception {
    String said = attack("only=%s rounds=600".formatted(group), vcpus, DomainInfo.POWEROFF);
    assertTrue(said.contains(" 0 failed"), said);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void randomHypercallsLeaveTheMachineWhole(long seed) throws Exception {
    attack("steps=20000 seed=" + seed, 1, DomainInfo.POWEROFF);
  }

  @Tag("long")
  @ParameterizedTest
  @MethodSource("manySeeds")
  void manyMoreRandomHypercallsDoToo(long seed) throws Exception {
    attack("steps=50000 seed=" + seed, 1, DomainInfo.POWEROFF);
  }

  static LongStream manySeeds() {
    return LongStream.range(100, 112);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "stack",
        "callback",
        "iret",
        "user-table",
        "no-handler",
        "kernel-stack",
        "base-pointer"
      })
  void aDomainThatDiesOfItsOwnDoingDiesAlone(String way) throws Exception {
    String said = attack("die=" + way, 1, DomainInfo.CRASH);
    assertFalse(said.contains("still alive"), said);
  }

  /** The scan sees a single reference too many: here the console's window. */
  @Test
  void theScanNoticesAReferenceThatNobodyAccountsFor() throws Exception {
    try (TestHost host = new TestHost()) {
      TestGuest guest = host.start("hello", "ask");
      guest.awaitSaid("who is there? ", PATIENCE_SECONDS);
      host.control().pause(guest.domid());
      assertThrows(AssertionError.class, host::scan);
      guest.close();
      host.scan();
    }
  }

  /** Runs the attacker to its end; returns what it said. */
  private static String attack(String options, int vcpus, int expectedEnd) throws Exception {
    try (TestHost host = new TestHost()) {
      TestGuest innocent = host.start("hello", "ask");
      innocent.awaitSaid("who is there? ", PATIENCE_SECONDS);
      final long[] before = innocent.settledMemory();

      TestGuest attacker = host.start("hostile", options, vcpus);
      String said = attacker.awaitEnd(PATIENCE_SECONDS);
      assertEquals(expectedEnd, attacker.info().shutdownReason(), said);

      attacker.close();
      host.control().pause(innocent.domid());
      assertArrayEquals(before, innocent.memory(), "the innocent guest's memory, by pages");
      innocent.close();
      host.scan();
      host.control().destroyDomain(attacker.domid());
      host.scan();
      assertArrayEquals(before, innocent.memory(), "the innocent guest's memory, by pages");

      innocent.reopen();
      host.control().unpause(innocent.domid());
      innocent.type("a friend");
      String answer = innocent.awaitEnd(PATIENCE_SECONDS);
      assertTrue(answer.contains("good day, a friend"), answer);
      innocent.close();
      return said;
    }
  }
}
