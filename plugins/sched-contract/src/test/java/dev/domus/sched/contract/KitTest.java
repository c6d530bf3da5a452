package dev.domus.sched.contract;

import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import net.jqwik.api.sessions.JqwikSession;
import org.junit.jupiter.api.Test;

/** The kit finds what it is there to find: each mutant fails ({@link ReferenceFifoTest} passes). */
class KitTest {
  private static final int HISTORIES = 300;

  @Test
  void aLostWakeUpIsFound() {
    assertFoundInRandomHistories(pool ->
        new ReferenceFifo(pool) {
          private int wakes;

          @Override
          public void wake(SchedUnit unit, long nowNanos) {
            if (++wakes % 500 != 0) {
              super.wake(unit, nowNanos);
            }
          }

          @Override
          public void sleep(SchedUnit unit, long nowNanos) {}
        });
  }

  @Test
  void aUnitThatIsPickedWhileItSleepsIsFound() {
    assertFoundInRandomHistories(pool ->
        new ReferenceFifo(pool) {
          @Override
          public void sleep(SchedUnit unit, long nowNanos) {}
        });
  }

  @Test
  void aUnitThatIsQueuedTwiceIsFound() {
    assertFoundInRandomHistories(pool ->
        new ReferenceFifo(pool) {
          @Override
          public void put(
              SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
            super.put(unit, pcpu, reason, ranNanos, nowNanos);
            if (reason == PutReason.YIELDED) {
              super.put(unit, pcpu, reason, ranNanos, nowNanos);
            }
          }
        });
  }

  @Test
  void anIdleCpuBesideAWaitingUnitIsFound() {
    assertFoundInRandomHistories(pool ->
        new ReferenceFifo(pool) {
          @Override
          public void pick(int pcpu, long nowNanos, Decision decision) {
            super.pick(pcpu, nowNanos, decision);
            if (pcpu == 2 && !decision.isIdle()) {
              SchedUnit unit = decision.unit();
              decision.reset();
              decision.idle();
              insert(unit, nowNanos);
            }
          }
        });
  }

  @Test
  void anUnfairOrderIsFound() {
    SchedulerContract contract =
        contract(pool ->
            new ReferenceFifo(pool) {
              @Override
              public void put(
                  SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
                super.put(unit, pcpu, reason, ranNanos, nowNanos);
                if (unit.domid() == 0 && reason == PutReason.EXPIRED) {
                  moveToFront(unit);
                }
              }
            });
    assertThrows(AssertionError.class, contract::equalUnitsGetEqualShares);
  }

  private static void assertFoundInRandomHistories(Function<SchedPool, Scheduler> mutant) {
    SchedulerContract contract = contract(mutant);
    JqwikSession.run(() ->
        assertThrows(
            AssertionError.class,
            () ->
                Histories.arbitrary()
                    .sampleStream()
                    .limit(HISTORIES)
                    .forEach(contract::randomHistoriesBreakNoRule)));
  }

  private static SchedulerContract contract(Function<SchedPool, Scheduler> mutant) {
    SchedulerFactory factory =
        new SchedulerFactory() {
          @Override
          public String name() {
            return "mutant";
          }

          @Override
          public String description() {
            return "";
          }

          @Override
          public List<SchedParameter> parameters() {
            return List.of();
          }

          @Override
          public Scheduler create(SchedPool pool, SchedParameters values) {
            return mutant.apply(pool);
          }
        };
    return new SchedulerContract() {
      @Override
      protected SchedulerFactory factory() {
        return factory;
      }

      @Override
      protected Set<Claim> claims() {
        return ReferenceFifoTest.CLAIMS;
      }
    };
  }
}
