package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.sched.CpuMask;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What the dispatcher promises, with real threads and the built-in scheduler. */
class PoolTest {
  /** Patient: this machine may be slow, and these tests are not about faults. */
  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL,
          new DispatchLimits(10_000_000, 20_000_000_000L, 60_000_000_000L, 20_000_000_000L));

  @AfterEach
  void nothingWasBlamedOnTheScheduler() {
    dispatcher.close();
    assertEquals(List.of(), dispatcher.faults());
  }

  private Pool pool(int pcpus) {
    return dispatcher.createPool("p", pcpus, LastResort.FACTORY, Map.of());
  }

  @Test
  void aUnitRunsOnlyAfterItsFirstWake() {
    Pool pool = pool(1);
    FakeVcpu early = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    FakeVcpu late = FakeVcpu.in(pool, 2, UnitParams.DEFAULT);
    late.give(1);
    Await.until("the woken one has worked", () -> late.worked.get() == 1);
    assertEquals(0, early.slices.get());
    RunstateInfo info = new RunstateInfo();
    early.unit.runstate(info);
    assertEquals(RunstateInfo.OFFLINE, info.state());
  }

  @Test
  void noWakeUpIsLostInARingOfUnitsThatBlockAfterEachToken() {
    Pool pool = pool(3);
    int size = 7;
    long rounds = 60_000;
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
    ring[0].give(1);
    ring[3].give(1);
    Await.until("the tokens went round", () -> ring[0].worked.get() >= rounds);
    for (FakeVcpu vcpu : ring) {
      assertEquals("", vcpu.broken);
    }
  }

  @Test
  void noWakeUpFromOutsideIsLost() throws InterruptedException {
    Pool pool = pool(2);
    FakeVcpu[] vcpus = new FakeVcpu[5];
    for (int i = 0; i < vcpus.length; i++) {
      vcpus[i] = FakeVcpu.in(pool, i, UnitParams.DEFAULT);
    }
    int each = 40_000;
    List<Thread> backends = new ArrayList<>();
    for (int t = 0; t < 2; t++) {
      SplittableRandom random = new SplittableRandom(t);
      Thread backend =
          new Thread(() -> {
            for (int i = 0; i < each; i++) {
              vcpus[random.nextInt(vcpus.length)].give(1);
            }
          });
      backend.start();
      backends.add(backend);
    }
    for (Thread backend : backends) {
      backend.join();
    }
    Await.until(
        "all is worked off",
        () -> {
          long sum = 0;
          for (FakeVcpu vcpu : vcpus) {
            sum += vcpu.worked.get();
          }
          return sum == 2L * each;
        });
  }

  @Test
  void aPausedUnitIsOffItsCpuAndStaysOff() {
    Pool pool = pool(2);
    FakeVcpu vcpu = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    FakeVcpu other = FakeVcpu.in(pool, 2, UnitParams.DEFAULT);
    vcpu.give(FakeVcpu.ENDLESS);
    other.give(FakeVcpu.ENDLESS);
    for (int i = 0; i < 2_000; i++) {
      vcpu.unit.pauseAndWait();
      assertFalse(vcpu.inside.get());
      long worked = vcpu.worked.get();
      vcpu.unit.wake(); // must not help
      if (i % 100 == 0) {
        long others = other.worked.get();
        Await.until("the other goes on", () -> other.worked.get() > others + 100);
      }
      assertEquals(worked, vcpu.worked.get());
      vcpu.unit.resume();
      Await.until("it runs again", () -> vcpu.worked.get() > worked);
    }
    assertThrows(IllegalStateException.class, vcpu.unit::resume);
  }

  @Test
  void pausesCount() {
    Pool pool = pool(1);
    FakeVcpu vcpu = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    vcpu.give(FakeVcpu.ENDLESS);
    vcpu.unit.pauseAndWait();
    vcpu.unit.pauseAndWait();
    vcpu.unit.resume();
    long worked = vcpu.worked.get();
    FakeVcpu other = FakeVcpu.in(pool, 2, UnitParams.DEFAULT);
    other.give(10);
    Await.until("the other had the pCPU", () -> other.worked.get() == 10);
    assertEquals(worked, vcpu.worked.get());
    vcpu.unit.resume();
    Await.until("it runs again", () -> vcpu.worked.get() > worked);
  }

  @Test
  void aUnitIsPausedByAnotherThatRunsOnTheOnlyCpu() {
    Pool pool = pool(1);
    FakeVcpu victim = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    AtomicInteger paused = new AtomicInteger();
    FakeVcpu killer =
        new FakeVcpu("d2v0") {
          @Override
          void work() {
            victim.unit.pauseAndWait();
            pool.remove(victim.unit);
            paused.incrementAndGet();
          }
        }.addTo(pool, 2, UnitParams.DEFAULT);
    victim.give(FakeVcpu.ENDLESS);
    killer.give(1);
    Await.until("it was paused and removed", () -> paused.get() == 1);
    Await.until("the pool forgot it", () -> !pool.snapshot().contains(victim.unit));
  }

  @Test
  void aUnitCannotWaitForItself() {
    Pool pool = pool(1);
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    FakeVcpu vcpu =
        new FakeVcpu("d1v0") {
          @Override
          void work() {
            thrown.set(assertThrows(IllegalStateException.class, unit::pauseAndWait));
          }
        }.addTo(pool, 1, UnitParams.DEFAULT);
    vcpu.give(1);
    Await.until("it tried", () -> thrown.get() != null);
    assertTrue(thrown.get().getMessage().contains("unit=d1v0"), thrown.get().getMessage());
  }

  @Test
  void removedUnitsNeverRunAgain() {
    Pool pool = pool(2);
    for (int i = 0; i < 500; i++) {
      FakeVcpu vcpu = FakeVcpu.in(pool, i, UnitParams.DEFAULT);
      vcpu.give(FakeVcpu.ENDLESS);
      if (i % 2 == 0) {
        Await.until("it runs", () -> vcpu.slices.get() > 0);
      }
      pool.remove(vcpu.unit);
      long slices = vcpu.slices.get();
      vcpu.unit.wake();
      assertFalse(vcpu.inside.get());
      assertEquals(slices, vcpu.slices.get());
    }
    Await.until("the pool is empty", () -> pool.snapshot().isEmpty());
  }

  @Test
  void aUnitThatWentOfflineIsBroughtBackByAWake() {
    Pool pool = pool(1);
    FakeVcpu vcpu = FakeVcpu.in(pool, 1, UnitParams.DEFAULT);
    vcpu.give(FakeVcpu.ENDLESS);
    vcpu.dead = true;
    RunstateInfo info = new RunstateInfo();
    // The wake of give() may still be pending, which only makes it look again.
    Await.until(
        "it is down",
        () -> {
          vcpu.unit.runstate(info);
          return info.state() == RunstateInfo.OFFLINE && vcpu.slices.get() > 0;
        });
    vcpu.dead = false;
    long worked = vcpu.worked.get();
    vcpu.unit.wake();
    Await.until("it is up", () -> vcpu.worked.get() > worked);
  }

  @Test
  void affinityIsHonouredAndCanChangeWhileRunning() {
    Pool pool = pool(3);
    AtomicReference<String> seen = new AtomicReference<>("");
    FakeVcpu vcpu =
        new FakeVcpu("d1v0") {
          @Override
          void work() {
            seen.set(Thread.currentThread().getName());
          }
        }.addTo(pool, 1, UnitParams.DEFAULT.withAffinity(CpuMask.of(2)));
    FakeVcpu rival = FakeVcpu.in(pool, 2, UnitParams.DEFAULT.withAffinity(CpuMask.of(2)));
    rival.give(FakeVcpu.ENDLESS);
    vcpu.give(FakeVcpu.ENDLESS);
    Await.until("it runs on 2", () -> seen.get().equals("pcpu-2"));
    for (int i = 0; i < 200; i++) {
      int target = i % 3;
      vcpu.unit.params(UnitParams.DEFAULT.withAffinity(CpuMask.of(target)));
      Await.until("it runs on " + target, () -> seen.get().equals("pcpu-" + target));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> vcpu.unit.params(UnitParams.DEFAULT.withAffinity(CpuMask.of(3))));
  }

  @Test
  void aRunnerThatThrowsIsTakenOfflineAndTheOthersGoOn() {
    Pool pool = pool(1);
    AtomicReference<Throwable> told = new AtomicReference<>();
    FakeVcpu bad =
        new FakeVcpu("d1v0") {
          @Override
          void work() {
            throw new AssertionError("a bug of the kernel's");
          }

          @Override
          public void crashed(Throwable cause) {
            told.set(cause);
          }
        }.addTo(pool, 1, UnitParams.DEFAULT);
    FakeVcpu good = FakeVcpu.in(pool, 2, UnitParams.DEFAULT);
    bad.give(1);
    good.give(10);
    Await.until("the other has worked", () -> good.worked.get() == 10);
    Await.until("it was told", () -> told.get() != null);
    long slices = bad.slices.get();
    bad.give(1);
    good.give(10);
    Await.until("the other has worked again", () -> good.worked.get() == 20);
    assertEquals(slices, bad.slices.get());
  }

  @Test
  void runStatesAddUpToTheLifetime() {
    Pool pool = pool(2);
    FakeVcpu[] vcpus = new FakeVcpu[4];
    long before = System.nanoTime();
    for (int i = 0; i < vcpus.length; i++) {
      vcpus[i] = FakeVcpu.in(pool, i, UnitParams.DEFAULT);
    }
    long after = System.nanoTime();
    RunstateInfo info = new RunstateInfo();
    for (int round = 0; round < 2_000; round++) {
      for (FakeVcpu vcpu : vcpus) {
        vcpu.give(3);
        vcpu.unit.runstate(info);
        long sum = 0;
        for (int state = 0; state < 4; state++) {
          assertTrue(info.nanosIn(state) >= 0);
          sum += info.nanosIn(state);
        }
        assertTrue(info.sinceNanos() - after <= sum && sum <= info.sinceNanos() - before);
      }
    }
    Await.until("it has used CPU time", () -> vcpus[0].unit.cpuTimeNanos() > 0);
  }
}
