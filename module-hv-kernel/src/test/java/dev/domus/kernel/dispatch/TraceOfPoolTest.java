package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.trace.Trace;
import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceReader;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.TraceSpec;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a pool's records say of it, put in the order of their times, is what happened. */
class TraceOfPoolTest {
  private static final int ROOM = 1 << 18;

  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL,
          new DispatchLimits(10_000_000, 20_000_000_000L, 60_000_000_000L, 20_000_000_000L));

  @AfterEach
  void close() {
    dispatcher.close();
  }

  private record Entry(long time, TraceEvent kind, int pcpu, int vcpu, int detail, long a) {}

  /** All records in the order of their times; those of one buffer stay in theirs. */
  private List<Entry> entriesOf(Trace.Session session) {
    List<Entry> entries = new ArrayList<>();
    TraceBatch batch = new TraceBatch(1 << 10);
    TraceReader reader = session.reader();
    while (reader.next(batch)) {
      for (int i = 0; i < batch.count(); i++) {
        int at = i * TraceRecord.WORDS;
        long[] w = batch.words();
        long head = w[at + TraceRecord.HEAD];
        entries.add(
            new Entry(
                w[at + TraceRecord.TIME],
                TraceEvent.ofCode(TraceRecord.code(head)).orElseThrow(),
                TraceRecord.pcpu(head),
                TraceRecord.vcpuOf(head),
                TraceRecord.detail(head),
                w[at + TraceRecord.A]));
      }
    }
    assertEquals(0, reader.lost(), "the buffers are large enough for the test");
    entries.sort(Comparator.comparingLong(Entry::time));
    return entries;
  }

  private static TraceSpec scheduling() {
    EnumSet<TraceEvent> events = EnumSet.allOf(TraceEvent.class);
    events.removeIf(event -> event.group() != TraceEvent.Group.SCHED);
    return new TraceSpec(events, ROOM, false);
  }

  /**
   * Units that hand tokens round, beside one that computes, on some pCPUs, until a number is up.
   */
  private FakeVcpu[] ring(Pool pool, int size, int rounds) {
    FakeVcpu[] ring = new FakeVcpu[size];
    for (int i = 0; i < size; i++) {
      int next = (i + 1) % size;
      ring[i] =
          new FakeVcpu("d" + i + "v0") {
            @Override
            void work() {
              if (worked.get() < rounds) {
                ring[next].give(1);
              }
            }
          }.addTo(pool, i, UnitParams.DEFAULT);
    }
    return ring;
  }

  @Test
  void theOrderOfTimesIsBlockWakePickSwitchAndNoUnitIsInTwoPlaces() {
    Trace.Session session = dispatcher.tracer().start(scheduling());
    Pool pool = dispatcher.createPool("p", 3, LastResort.FACTORY, Map.of());
    FakeVcpu[] ring = ring(pool, 5, 4_000);
    ring[0].give(1);
    ring[2].give(1);
    Await.until("the tokens went round", () -> ring[0].worked.get() >= 4_000);
    dispatcher.close();
    session.close();

    Map<Integer, Integer> runsOn = new HashMap<>();
    Map<Integer, Integer> runs = new HashMap<>();
    Map<Integer, Integer> picked = new HashMap<>();
    Map<Integer, String> readiness = new HashMap<>();
    Map<Integer, Integer> lastPcpu = new HashMap<>();
    Map<Integer, Long> migrated = new HashMap<>();
    int wakes = 0;
    for (Entry e : entriesOf(session)) {
      String where = e.toString();
      switch (e.kind()) {
        case WAKE -> {
          wakes++;
          readiness.put(e.vcpu(), "woken");
        }
        case ENQUEUE -> {
          assertEquals("woken", readiness.get(e.vcpu()), where);
          readiness.put(e.vcpu(), "ready");
        }
        case PICK -> picked.put(e.pcpu(), e.vcpu());
        case MIGRATE -> migrated.put(e.vcpu(), e.a());
        case SWITCH_IN -> {
          assertEquals(e.vcpu(), picked.remove(e.pcpu()), "a pick before it: " + where);
          assertEquals("ready", readiness.get(e.vcpu()), where);
          assertNull(runsOn.put(e.vcpu(), e.pcpu()), "not on two pCPUs: " + where);
          assertNull(runs.put(e.pcpu(), e.vcpu()), "not two on a pCPU: " + where);
          Integer last = lastPcpu.put(e.vcpu(), e.pcpu());
          Long from = migrated.remove(e.vcpu());
          boolean moved = last != null && last != e.pcpu();
          assertEquals(moved ? (long) last : null, from, "migration told: " + where);
        }
        case SWITCH_OUT -> {
          assertEquals(e.pcpu(), runsOn.remove(e.vcpu()), where);
          assertEquals(e.vcpu(), runs.remove(e.pcpu()), where);
        }
        case BLOCK -> {
          assertNull(runsOn.get(e.vcpu()), where);
          assertEquals(RunstateInfo.BLOCKED, e.detail(), where);
          readiness.put(e.vcpu(), "blocked");
        }
        default -> throw new AssertionError(where);
      }
    }
    assertTrue(wakes > 4_000, "wakes=" + wakes);
    assertEquals(Map.of(), runsOn);
  }

  @Test
  void theCpuTimesOfTheRecordsAddUpToWhatTheUnitsWereCharged() {
    Trace.Session session = dispatcher.tracer().start(scheduling());
    Pool pool = dispatcher.createPool("p", 2, LastResort.FACTORY, Map.of());
    FakeVcpu busy = FakeVcpu.in(pool, 9, UnitParams.DEFAULT);
    FakeVcpu[] ring = ring(pool, 3, 1_000);
    busy.give(FakeVcpu.ENDLESS);
    ring[0].give(1);
    Await.until("the token went round", () -> ring[0].worked.get() >= 1_000);
    dispatcher.close();
    session.close();

    Map<Integer, Long> ran = new HashMap<>();
    for (Entry e : entriesOf(session)) {
      if (e.kind() == TraceEvent.SWITCH_OUT) {
        ran.merge(e.vcpu(), e.a(), Long::sum);
      }
    }
    RunstateInfo info = new RunstateInfo();
    for (FakeVcpu vcpu : new FakeVcpu[] {busy, ring[0], ring[1], ring[2]}) {
      vcpu.unit.runstate(info);
      int key = TraceRecord.vcpuKey(vcpu.unit.domid(), 0);
      assertEquals(info.ranNanos(), ran.get(key), vcpu.unit.label());
    }
  }

  @Test
  void pausesAndRemovalsEndRunnability() {
    Trace.Session session = dispatcher.tracer().start(scheduling());
    Pool pool = dispatcher.createPool("p", 1, LastResort.FACTORY, Map.of());
    FakeVcpu vcpu = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    vcpu.give(FakeVcpu.ENDLESS);
    Await.until("it runs", () -> vcpu.worked.get() > 0);
    for (int i = 0; i < 20; i++) {
      vcpu.unit.pauseAndWait();
      long worked = vcpu.worked.get();
      vcpu.unit.resume();
      Await.until("it runs again", () -> vcpu.worked.get() > worked);
    }
    pool.remove(vcpu.unit);
    Await.until("it is gone", () -> pool.snapshot().isEmpty());
    dispatcher.close();
    session.close();
    int enqueued = 0;
    int offline = 0;
    boolean runnable = false;
    for (Entry e : entriesOf(session)) {
      if (e.kind() == TraceEvent.ENQUEUE) {
        runnable = true;
        enqueued++;
      } else if (e.kind() == TraceEvent.BLOCK) {
        assertTrue(runnable, e.toString());
        assertEquals(RunstateInfo.OFFLINE, e.detail());
        runnable = false;
        offline++;
      } else if (e.kind() == TraceEvent.SWITCH_IN) {
        assertTrue(runnable, e.toString());
      }
    }
    assertEquals(enqueued, offline);
    assertTrue(enqueued >= 1 && enqueued <= 21, "enqueued=" + enqueued);
  }

  @Test
  void swapsAndFallsAreNamed() {
    Trace.Session session = dispatcher.tracer().start(TraceSpec.everything());
    Pool pool = dispatcher.createPool("p", 1, LastResort.FACTORY, Map.of());
    FakeVcpu vcpu = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    vcpu.give(FakeVcpu.ENDLESS);
    pool.swap(TestSchedulers.roundRobin(), SchedParameters.none());
    AtomicLong held = new AtomicLong(-1);
    List<String> named = new ArrayList<>();
    for (Entry e : entriesOf(session)) {
      if (e.kind() == TraceEvent.SWAP) {
        assertEquals(1, e.detail());
        List<String> names = dispatcher.tracer().names();
        named.add(names.get(TraceRecord.high(e.a())));
        named.add(names.get((int) TraceRecord.low(e.a())));
        held.incrementAndGet();
      }
    }
    assertEquals(0, held.get(), "one swap");
    assertEquals(List.of(LastResort.FACTORY.name(), TestSchedulers.roundRobin().name()), named);
  }

  @Test
  void smallBuffersLoseTheOldestAndSayHowMany() {
    EnumSet<TraceEvent> switches = EnumSet.of(TraceEvent.SWITCH_IN, TraceEvent.SWITCH_OUT);
    Trace.Session small = dispatcher.tracer().start(new TraceSpec(switches, 16, false));
    Pool pool = dispatcher.createPool("p", 1, LastResort.FACTORY, Map.of());
    FakeVcpu[] ring = ring(pool, 2, 2_000);
    ring[0].give(1);
    Await.until("the token went round", () -> ring[0].worked.get() >= 2_000);
    dispatcher.close();
    small.close();
    TraceReader reader = small.reader();
    TraceBatch batch = new TraceBatch(64);
    assertTrue(reader.next(batch));
    assertEquals(16, batch.count());
    assertEquals(batch.first(), reader.lost());
    long handedOver = ring[0].worked.get() + ring[1].worked.get();
    assertTrue(reader.lost() >= handedOver, "lost=" + reader.lost() + " of " + handedOver);
  }

  @Test
  void whileItIsOffNothingIsRecorded() {
    Pool pool = dispatcher.createPool("p", 1, LastResort.FACTORY, Map.of());
    FakeVcpu[] ring = ring(pool, 2, 500);
    ring[0].give(1);
    Await.until("the token went round", () -> ring[0].worked.get() >= 500);
    dispatcher.tracer().start(scheduling()).close();
    Trace.Session session = dispatcher.tracer().start(scheduling());
    session.close();
    assertEquals(List.of(), entriesOf(session));
  }
}
