package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a scheduler sees of cores, and what vCPUs get of them. */
class CoreTest {
  private static final long SECOND = 1_000_000_000;

  private final CoreWatch watch = new CoreWatch(2);
  private final List<Recording> made = new CopyOnWriteArrayList<>();
  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL,
          new DispatchLimits(5_000_000, 20_000_000_000L, 60_000_000_000L, 50_000_000));

  @AfterEach
  void close() {
    dispatcher.close();
    assertEquals("", watch.broken());
    assertEquals(List.of(), dispatcher.faults());
  }

  /** Gives long slices, and remembers what it was told. */
  private static final class Recording extends FifoFactory.Fifo {
    private final long sliceNanos;
    final AtomicLong picks = new AtomicLong();
    final AtomicLong ranNanos = new AtomicLong();
    final List<String> told = new CopyOnWriteArrayList<>();

    Recording(SchedPool pool, long sliceNanos) {
      super(pool);
      this.sliceNanos = sliceNanos;
    }

    @Override
    public void insert(SchedUnit unit, long nowNanos) {
      super.insert(unit, nowNanos);
      told.add("insert " + unit.label() + " " + unit.affinity());
    }

    @Override
    public void remove(SchedUnit unit, long nowNanos) {
      super.remove(unit, nowNanos);
      told.add("remove " + unit.label());
    }

    @Override
    public void wake(SchedUnit unit, long nowNanos) {
      super.wake(unit, nowNanos);
      told.add("wake " + unit.label());
    }

    @Override
    public void sleep(SchedUnit unit, long nowNanos) {
      super.sleep(unit, nowNanos);
      told.add("sleep " + unit.label());
    }

    @Override
    public void adjust(SchedUnit unit, long nowNanos) {
      told.add("adjust " + unit.label() + " " + unit.affinity() + " weight " + unit.weight());
    }

    @Override
    public void pick(int pcpu, long nowNanos, Decision decision) {
      super.pick(pcpu, nowNanos, decision);
      if (!decision.isIdle()) {
        decision.run(decision.unit(), sliceNanos);
        picks.incrementAndGet();
      }
    }

    @Override
    public void put(SchedUnit unit, int pcpu, PutReason reason, long ran, long nowNanos) {
      super.put(unit, pcpu, reason, ran, nowNanos);
      ranNanos.addAndGet(ran);
      told.add("put " + unit.label() + " " + reason);
    }
  }

  private SchedulerFactory recording(long sliceNanos) {
    return new FifoFactory(
        "recording",
        pool -> {
          Recording scheduler = new Recording(pool, sliceNanos);
          made.add(scheduler);
          return scheduler;
        });
  }

  private Pool pool(int pcpus, long sliceNanos) {
    return dispatcher.createPool("p", pcpus, 2, recording(sliceNanos), Map.of());
  }

  private Recording scheduler() {
    return made.getLast();
  }

  // ------------------------------------------------------------------ units

  @Test
  void aSchedulerSeesCoresAndUnitsOfConsecutiveVcpus() {
    Pool pool = pool(4, SECOND);
    assertEquals(2, scheduler().pool.pcpus());
    assertEquals(2, pool.granularity());
    for (int vcpu = 0; vcpu < 3; vcpu++) {
      watch.vcpu(pool, 7, vcpu, UnitParams.DEFAULT).give(1);
    }
    Await.until("both units are known", () -> pool.snapshot().size() == 2);
    List<String> seen = new ArrayList<>();
    for (DispatchUnit unit : pool.snapshot()) {
      seen.add(unit + " is " + unit.vcpus() + " from " + unit.domid() + "," + unit.vcpu());
    }
    seen.sort(null);
    assertEquals(List.of("d7v0-1 is 2 from 7,0", "d7v2-3 is 1 from 7,2"), seen);
  }

  @Test
  void aUnitSleepsWhenAllItsVcpusDoAndWakesWithAny() {
    Pool pool = pool(2, SECOND);
    FakeVcpu first = watch.vcpu(pool, 1, 0);
    FakeVcpu second = watch.vcpu(pool, 1, 1);
    second.give(1);
    Await.until("it has slept", () -> scheduler().told.contains("put d1v0-1 SLEPT"));
    assertEquals(1, second.worked.get());
    assertEquals(0, first.slices.get(), "the other was not woken");
    assertEquals(List.of("insert d1v0-1 all", "wake d1v0-1", "put d1v0-1 SLEPT"), scheduler().told);
    first.give(1);
    Await.until("the other has worked", () -> first.worked.get() == 1);
  }

  @Test
  void aVcpuThatWakesWhileItsUnitIsOnStartsWithoutADecision() {
    Pool pool = pool(2, SECOND);
    for (int leading = 0; leading < 2; leading++) {
      FakeVcpu busy = watch.vcpu(pool, 1 + leading, leading);
      FakeVcpu other = watch.vcpu(pool, 1 + leading, 1 - leading);
      busy.give(FakeVcpu.ENDLESS);
      Await.until("one runs", () -> busy.worked.get() > 0);
      long picks = scheduler().picks.get();
      for (int i = 1; i <= 100; i++) {
        int tokens = i;
        other.give(1);
        Await.until("the other has worked", () -> other.worked.get() == tokens);
        Await.until("and sleeps", () -> state(other) == RunstateInfo.BLOCKED);
      }
      // Slices last a second; a slow host may see the end of some.
      assertTrue(scheduler().picks.get() - picks < 50, () -> "picks: " + scheduler().told);
      pool.remove(busy.unit);
    }
  }

  @Test
  void whoeverRunsWaitsForNobodyOfAnotherDomain() {
    Pool pool = pool(2, 2_000_000);
    FakeVcpu one = watch.vcpu(pool, 1, 0);
    FakeVcpu two = watch.vcpu(pool, 2, 1);
    one.give(FakeVcpu.ENDLESS);
    two.give(FakeVcpu.ENDLESS);
    for (int i = 0; i < 20; i++) {
      long before = one.worked.get();
      long beforeTwo = two.worked.get();
      Await.until("both get turns", () -> one.worked.get() > before);
      Await.until("both get turns", () -> two.worked.get() > beforeTwo);
    }
    assertEquals(0, watch.together(), "and there is nobody to share a core with");
  }

  // ------------------------------------------------------------------ single vCPUs

  @Test
  void aVcpuThatIsPausedLeavesAndTheOtherGoesOn() {
    Pool pool = pool(2, SECOND);
    for (int paused = 0; paused < 2; paused++) {
      FakeVcpu one = watch.vcpu(pool, 1 + paused, paused);
      FakeVcpu other = watch.vcpu(pool, 1 + paused, 1 - paused);
      one.give(FakeVcpu.ENDLESS);
      other.give(FakeVcpu.ENDLESS);
      Await.until("both run", () -> one.worked.get() > 0 && other.worked.get() > 0);
      one.unit.pauseAndWait();
      assertFalse(one.inside.get());
      long worked = one.worked.get();
      long others = other.worked.get();
      Await.until("the other goes on", () -> other.worked.get() > others + 1_000);
      assertEquals(worked, one.worked.get());
      Await.until("it is offline", () -> state(one) == RunstateInfo.OFFLINE);
      one.unit.resume();
      Await.until("it goes on", () -> one.worked.get() > worked);
      pool.remove(one.unit);
      pool.remove(other.unit);
    }
  }

  @Test
  void aUnitYieldsWhenTheOnlyOneAwakeDoes() {
    Pool pool = pool(2, SECOND);
    CountDownLatch asked = new CountDownLatch(1);
    FakeVcpu yielding =
        watch.new Seen(1, 1) {
          @Override
          SliceEnd slice(long deadlineNanos) {
            super.slice(System.nanoTime()); // enters and leaves
            asked.countDown();
            return SliceEnd.YIELDED;
          }
        }.addTo(pool, 1, 1, UnitParams.DEFAULT);
    yielding.give(FakeVcpu.ENDLESS);
    Await.until("it was asked", () -> asked.getCount() == 0);
    FakeVcpu stranger = watch.vcpu(pool, 2, 0);
    stranger.give(1);
    Await.until("another had its turn", () -> stranger.worked.get() == 1);
    assertTrue(scheduler().told.contains("put d1v0-1 YIELDED"), scheduler().told::toString);
  }

  @Test
  void oneThatFailsGoesAndTheOtherStays() {
    Pool pool = pool(2, SECOND);
    FakeVcpu other = watch.vcpu(pool, 1, 0);
    FakeVcpu broken =
        new FakeVcpu("d1v1") {
          @Override
          SliceEnd slice(long deadlineNanos) {
            throw new IllegalStateException("a bug of the kernel's");
          }

          @Override
          public void crashed(Throwable cause) {
            dead = true;
          }
        }.addTo(pool, 1, 1, UnitParams.DEFAULT);
    other.give(FakeVcpu.ENDLESS);
    broken.give(1);
    Await.until("it has crashed", () -> broken.dead);
    long worked = other.worked.get();
    Await.until("the other goes on", () -> other.worked.get() > worked);
    assertTrue(broken.unit.paused());
  }

  @Test
  void oneThatDoesNotComeOutKeepsItsCoreFromAllOthersAndIsNamed() {
    Pool pool = pool(4, 1_000_000);
    CountDownLatch leave = new CountDownLatch(1);
    CountDownLatch entered = new CountDownLatch(1);
    FakeVcpu deaf =
        watch.new Seen(1, 1) {
          @Override
          void work() {
            entered.countDown();
            try {
              leave.await();
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
          }
        }.addTo(pool, 1, 1, UnitParams.DEFAULT);
    FakeVcpu brother = watch.vcpu(pool, 1, 0);
    brother.give(FakeVcpu.ENDLESS);
    deaf.give(1);
    Await.until("it is deaf", () -> entered.getCount() == 0);
    FakeVcpu stranger = watch.vcpu(pool, 2, 0);
    FakeVcpu another = watch.vcpu(pool, 3, 1);
    stranger.give(FakeVcpu.ENDLESS);
    another.give(FakeVcpu.ENDLESS);
    SwapReport report = pool.swap(new FifoFactory("other"), Map.of());
    assertTrue(report.refusal().orElseThrow().contains("runs d1v1"), report.refusal()::toString);
    for (int i = 0; i < 50; i++) {
      long before = stranger.worked.get();
      long beforeAnother = another.worked.get();
      Await.until("on the other core", () -> stranger.worked.get() > before);
      Await.until("there is room", () -> another.worked.get() > beforeAnother);
      assertTrue(deaf.inside.get());
    }
    leave.countDown();
    Await.until("a swap succeeds", () -> pool.swap(recording(1_000_000), Map.of()).swapped());
    long worked = brother.worked.get();
    Await.until("its brother goes on", () -> brother.worked.get() > worked);
  }

  // ------------------------------------------------------------------ time

  @Test
  void aUnitIsChargedTheTimeForWhichItHadTheCoreAndAVcpuWhatItRan() {
    Pool pool = pool(2, 20_000_000);
    FakeVcpu busy = watch.vcpu(pool, 1, 1);
    FakeVcpu idle = watch.vcpu(pool, 1, 0);
    busy.give(FakeVcpu.ENDLESS);
    idle.give(1);
    Await.until("it had some time", () -> busy.unit.cpuTimeNanos() > 300_000_000);
    busy.unit.pauseAndWait();
    Await.until("the unit sleeps", () -> scheduler().told.getLast().endsWith("SLEPT"));
    long charged = scheduler().ranNanos.get();
    long ran = busy.unit.cpuTimeNanos();
    assertTrue(charged >= ran - 10_000_000, "charged=" + charged + " ran=" + ran);
    RunstateInfo info = new RunstateInfo();
    busy.unit.runstate(info);
    long wall = info.nanosIn(RunstateInfo.RUNNING);
    assertTrue(charged <= wall + 100_000_000, "charged=" + charged + " wall=" + wall);
    assertTrue(idle.unit.cpuTimeNanos() < 100_000_000, "it slept beside the other");
  }

  @Test
  void runStatesAreEachVcpusOwn() {
    Pool pool = pool(2, 5_000_000);
    FakeVcpu busy = watch.vcpu(pool, 1, 0);
    FakeVcpu idle = watch.vcpu(pool, 1, 1);
    FakeVcpu stranger = watch.vcpu(pool, 2, 0);
    long start = System.nanoTime();
    busy.give(FakeVcpu.ENDLESS);
    idle.give(1);
    Await.until("it sleeps", () -> state(idle) == RunstateInfo.BLOCKED);
    stranger.give(FakeVcpu.ENDLESS);
    Await.until("both ran", () -> stranger.unit.cpuTimeNanos() > 100_000_000);
    RunstateInfo of = new RunstateInfo();
    idle.unit.runstate(of);
    assertEquals(RunstateInfo.BLOCKED, of.state(), "beside a busy one and beside a stranger");
    long wall = System.nanoTime() - start;
    for (FakeVcpu vcpu : List.of(busy, stranger)) {
      vcpu.unit.runstate(of);
      long running = of.nanosIn(RunstateInfo.RUNNING, System.nanoTime());
      long waiting = of.nanosIn(RunstateInfo.RUNNABLE, System.nanoTime());
      assertEquals(0, of.nanosIn(RunstateInfo.BLOCKED));
      assertTrue(running > 50_000_000, vcpu.label() + " running=" + running);
      assertTrue(waiting > 50_000_000, vcpu.label() + " waits while the other has the core");
      assertTrue(running + waiting <= wall + 50_000_000);
    }
  }

  private static int state(FakeVcpu vcpu) {
    RunstateInfo info = new RunstateInfo();
    vcpu.unit.runstate(info);
    return info.state();
  }

  // ------------------------------------------------------------------ affinity and parameters

  @Test
  void aUnitMayGoWhereAllItsVcpusMayOnWholeCores() {
    Pool pool = pool(6, SECOND);
    FakeVcpu first = watch.vcpu(pool, 1, 0, allowing(0, 1, 2, 3, 4)); // half of the last core
    Await.until("known", () -> scheduler().told.contains("insert d1v0-1 0,1"));
    FakeVcpu second = watch.vcpu(pool, 1, 1, allowing(2, 3, 4, 5));
    Await.until("adjusted", () -> scheduler().told.contains("adjust d1v0-1 1 weight 256"));
    first.unit.params(allowing(2, 3, 4, 5).withWeight(300));
    Await.until("adjusted", () -> scheduler().told.contains("adjust d1v0-1 1,2 weight 300"));
    second.give(1);
    Await.until("it runs", () -> second.worked.get() == 1);
    assertTrue(second.unit.lastNumber == 3 || second.unit.lastNumber == 5);
    refused("no whole core", () -> first.unit.params(allowing(1, 2)));
    refused("would have none in common", () -> first.unit.params(allowing(0, 1)));
    refused("would have none in common", () -> watch.vcpu(pool, 1, 0, allowing(0, 1)));
  }

  private static UnitParams allowing(int... pcpus) {
    return UnitParams.DEFAULT.withAffinity(CpuMask.of(pcpus));
  }

  private static void refused(String words, Runnable action) {
    IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, action::run);
    assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
  }

  // ------------------------------------------------------------------ pools

  @Test
  void aPoolHasWholeCores() {
    SchedulerFactory factory = recording(SECOND);
    refused(
        "a multiple of that: pool=p pcpus=3",
        () -> dispatcher.createPool("p", 3, 2, factory, Map.of()));
    refused(
        "pCPU 2 shares one with pCPU 3",
        () -> dispatcher.createPool("p", new int[] {1, 2, 0}, 2, factory, Map.of()));
    refused("1 to 64", () -> dispatcher.createPool("p", 2, 0, factory, Map.of()));
    dispatcher.createPool("one", 1, factory, Map.of());
    Pool pool = dispatcher.createPool("p", 4, 2, factory, Map.of());
    assertArrayEquals(new int[] {2, 3, 4, 5}, pool.numbers());
    assertTrue(dispatcher.removePcpu(pool, 3).swapped());
    assertArrayEquals(new int[] {4, 5}, pool.numbers());
    refused("in the last core", () -> dispatcher.removePcpu(pool, 4));
    refused("pCPU 0 is in pool one", () -> dispatcher.addPcpu(pool, 1));
    assertTrue(dispatcher.addPcpu(pool, 2).swapped());
    assertArrayEquals(new int[] {2, 3, 4, 5}, pool.numbers());
  }

  @Test
  void aDeterministicMachineHasNoCores() {
    try (Dispatcher virtual =
        new Dispatcher(
            new dev.domus.kernel.time.VirtualClock(1, java.time.Instant.EPOCH),
            DispatchLimits.DEFAULT)) {
      refused("has one pCPU", () -> virtual.createPool("p", 2, 2, LastResort.FACTORY, Map.of()));
    }
  }
}
