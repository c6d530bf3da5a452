package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.trace.Trace;
import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceReader;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.TraceSpec;
import dev.domus.sched.credit.CreditFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Real guests on one core of two pCPUs. When each of them was on which pCPU is in the trace, and
 * there two of them are never on the core at the same time.
 */
class CoreIsolationTest {
  private static final int PATIENCE_SECONDS = 240;
  private static final int ROOM = 1 << 21;
  private static final TraceSpec SWITCHES =
      new TraceSpec(EnumSet.of(TraceEvent.SWITCH_IN, TraceEvent.SWITCH_OUT), ROOM, false);

  /** A vCPU comes to a pCPU, or goes from it. */
  private record Switch(long time, boolean in, int pcpu, int domid, int vcpu) {}

  @Test
  void guestsThatWorkOnAllTheirVcpusAreNeverOnTheCoreTogether() throws Exception {
    try (TestHost host = new TestHost(2, new CreditFactory());
        Trace.Session session = host.trace().start(SWITCHES)) {
      TestGuest spin = host.start("spin", "period_ms=20", 2);
      TestGuest smp = host.start("smp", "", 2);
      for (int i = 0; i < 20; i++) { // the scheduler anew, while they work
        host.control().swapScheduler(TestHost.POOL, "credit", Map.of());
        spin.awaitMore(spin.said().length(), PATIENCE_SECONDS);
      }
      String said = smp.awaitEnd(PATIENCE_SECONDS);
      assertTrue(said.contains(" passed, 0 failed"), said); // run states and steal time, too
      assertFalse(said.contains("FAIL"), said);
      spin.awaitMore(spin.said().length(), PATIENCE_SECONDS);
      host.control().pause(spin.domid());
      List<Switch> switches = switchesOf(session);
      assertNeverTogether(switches);
      for (TestGuest guest : List.of(spin, smp)) {
        long times = switches.stream().filter(s -> s.in && s.domid == guest.domid()).count();
        assertTrue(times > 20, guest.domid() + " came " + times + " times");
      }
      assertTrue(sharedByOne(switches, smp.domid()), "its vCPUs do run side by side");
      for (TestGuest guest : List.of(spin, smp)) {
        guest.close();
      }
      host.scan();
    }
  }

  /** Each has one busy vCPU. With a pCPU each they would share nothing; they share a core. */
  @Test
  void theTimeOfACoreIsSharedByWeight() throws Exception {
    try (TestHost host = new TestHost(2, new CreditFactory())) {
      TestGuest light = host.start("spin", "period_ms=20", 2);
      TestGuest heavy = host.start("spin", "period_ms=20");
      host.control().setShare(heavy.domid(), 512, 0);
      light.awaitSaid("rate=", PATIENCE_SECONDS);
      heavy.awaitSaid("rate=", PATIENCE_SECONDS);
      long lightBefore = light.info().cpuNanos();
      long heavyBefore = heavy.info().cpuNanos();
      double share = 0;
      for (long had = 0; had < 3_000_000_000L; ) {
        light.awaitMore(light.said().length(), PATIENCE_SECONDS);
        long lightHad = light.info().cpuNanos() - lightBefore;
        had = lightHad + heavy.info().cpuNanos() - heavyBefore;
        share = lightHad / (double) had;
      }
      assertEquals(1 / 3.0, share, 0.06);
      assertEquals(2, host.control().pools().getFirst().granularity());
      light.close();
      heavy.close();
    }
  }

  private static List<Switch> switchesOf(Trace.Session session) {
    List<Switch> switches = new ArrayList<>();
    TraceBatch batch = new TraceBatch(1 << 10);
    TraceReader reader = session.reader();
    while (reader.next(batch)) {
      for (int i = 0; i < batch.count(); i++) {
        long[] words = batch.words();
        long head = words[i * TraceRecord.WORDS + TraceRecord.HEAD];
        switches.add(
            new Switch(
                words[i * TraceRecord.WORDS + TraceRecord.TIME],
                TraceRecord.code(head) == TraceEvent.SWITCH_IN.code(),
                TraceRecord.pcpu(head),
                TraceRecord.domid(head),
                TraceRecord.vcpu(head)));
      }
    }
    assertEquals(0, reader.lost(), "the buffers are large enough for the test");
    switches.sort(Comparator.comparingLong(Switch::time).thenComparing(Switch::in));
    return switches;
  }

  private static void assertNeverTogether(List<Switch> switches) {
    int[] domids = {-1, -1};
    for (Switch each : switches) {
      if (!each.in) {
        domids[each.pcpu] = -1;
        continue;
      }
      domids[each.pcpu] = each.domid;
      int beside = domids[1 - each.pcpu];
      assertTrue(beside == -1 || beside == each.domid, () -> each + " beside domain " + beside);
      assertEquals(each.vcpu % 2, each.pcpu, each::toString);
    }
  }

  private static boolean sharedByOne(List<Switch> switches, int domid) {
    boolean[] there = new boolean[2];
    for (Switch each : switches) {
      if (each.domid == domid) {
        there[each.pcpu] = each.in;
        if (there[0] && there[1]) {
          return true;
        }
      }
    }
    return false;
  }
}
