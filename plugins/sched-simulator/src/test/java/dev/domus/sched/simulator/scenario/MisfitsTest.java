package dev.domus.sched.simulator.scenario;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.simulator.Lab;
import dev.domus.sched.simulator.Misfits;
import dev.domus.sched.simulator.engine.RunRecorder;
import dev.domus.sched.simulator.engine.SchedulerFaultException.Kind;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What a scheduler must not do ends its simulation, with a report that names it. */
class MisfitsTest {
  private static Outcome.Fault fault(SchedulerFactory misfit, String... workloads)
      throws Exception {
    return Lab.pool(2, 1).run(misfit, workloads).fault().orElseThrow();
  }

  private static void assertFault(Kind kind, String says, SchedulerFactory misfit, String... work)
      throws Exception {
    Outcome.Fault fault = fault(misfit, work);
    assertEquals(kind, fault.kind(), fault.message());
    assertTrue(fault.message().contains(says), fault.message());
  }

  @Test
  void anExceptionIsNamedWithItsCallAndItsPlace() throws Exception {
    assertFault(Kind.THREW, "put(d1v0, SLEPT) threw", Misfits.THROWS, "io");
    assertFault(Kind.THREW, "tired at ", Misfits.THROWS, "io");
  }

  @Test
  void illegalPicksAreNamedWithTheirValues() throws Exception {
    assertFault(
        Kind.ILLEGAL_PICK, "d1v0 for pcpu=0, which is not run", Misfits.PICKS_SLEEPERS, "io");
    assertFault(
        Kind.ILLEGAL_PICK, "outside its affinity=1", Misfits.IGNORES_AFFINITY, "cpu:affinity=1");
    assertFault(Kind.ILLEGAL_PICK, "slice=1000000001", Misfits.SLICES_TOO_LONG, "cpu");
    assertFault(Kind.ILLEGAL_PICK, "decided nothing", Misfits.DECIDES_NOTHING, "cpu");
  }

  @Test
  void whoeverIsForgottenIsNamedAlsoBesideAnIdlePcpu() throws Exception {
    assertFault(Kind.STARVATION, "d3v0 is runnable", Misfits.STARVES, "cpu:count=3");
    assertFault(Kind.STARVATION, "d1v0 is runnable", Misfits.FORGETS, "cpu");
  }

  @Test
  void decisionsWithoutEndAreFound() throws Exception {
    assertFault(Kind.LIVELOCK, "tickle each other", Misfits.TICKLES_WITHOUT_END, "cpu");
  }

  @Test
  void aRefusalIsPassedOn() throws Exception {
    assertFault(Kind.REFUSED, "no table was given", Misfits.REFUSES, "cpu");
  }

  @Test
  void aFaultComesWithTheDecisionsBeforeIt() throws Exception {
    Outcome.Fault fault = fault(Misfits.STARVES, "cpu:count=3");
    assertEquals(8, fault.lastDecisions().size());
    assertTrue(fault.lastDecisions().getLast().contains("for 5000000 ns"));
    assertTrue(fault.atNanos() > 0);
  }

  @Test
  void aCallThatNeverReturnsIsLeftBehind() throws Exception {
    Scenario scenario = Lab.pool(1, 1).scenario("cpu");
    Contender hangs = Lab.contender(Misfits.HANGS, Map.of());
    Outcome outcome =
        new Bout(scenario, hangs, Lab.parameters(scenario, Misfits.HANGS), RunRecorder.NONE, 200)
            .run();
    assertEquals(Kind.OVERLONG_CALL, outcome.fault().orElseThrow().kind());
    assertTrue(outcome.fault().get().message().contains("Misfits"), outcome.fault()::toString);
    assertFalse(outcome.hasResults());
  }
}
