package dev.domus.kernel.dispatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.dispatch.SchedulerFault.Kind;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Whatever a scheduler does wrong: guests go on, and the report names who did it. */
class FaultTest {
  private final Hang hang = new Hang();
  private final Dispatcher dispatcher =
      new Dispatcher(
          PcpuClock.REAL, new DispatchLimits(5_000_000, 100_000_000L, 25_000_000, 20_000_000_000L));

  private volatile boolean misbehave;
  private final List<FakeVcpu> vcpus = new ArrayList<>();

  @AfterEach
  void close() {
    hang.end();
    SwapTest.goOn(vcpus); // those who were given up on have come back, and changed nothing
    dispatcher.close();
  }

  @Test
  void itThrowsInEachOfItsVerbs() {
    for (String verb : List.of("wake", "put", "pick", "sleep", "adjust", "remove", "insert")) {
      expectFault(
          Kind.THREW,
          verb.toUpperCase(),
          pool ->
              new Misbehaving(pool, verb) {
                @Override
                void now() {
                  throw new IllegalStateException("bad day");
                }
              });
      assertTrue(dispatcher.faults().getLast().cause().isPresent());
    }
  }

  @Test
  void itOverflowsItsStack() {
    expectFault(
        Kind.THREW,
        "PICK",
        pool ->
            new Misbehaving(pool, "pick") {
              @Override
              void now() {
                now();
              }
            });
  }

  @Test
  void itHangsInEachOfItsVerbs() {
    for (String verb : List.of("wake", "put", "pick", "sleep", "adjust", "remove", "insert")) {
      expectFault(
          Kind.OVERLONG_CALL,
          verb.toUpperCase(),
          pool ->
              new Misbehaving(pool, verb) {
                @Override
                void now() {
                  hang.here();
                }
              });
    }
  }

  @Test
  void itComputesForEver() {
    expectFault(
        Kind.OVERLONG_CALL,
        "PICK",
        pool ->
            new Misbehaving(pool, "pick") {
              @Override
              void now() {
                hang.busily();
              }
            });
  }

  @Test
  void itComesBackAfterItsTimeAndIsTurnedAway() {
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    expectFault(
        Kind.OVERLONG_CALL,
        "WAKE",
        pool ->
            new Misbehaving(pool, "wake") {
              @Override
              void now() {
                hang.here();
                SchedUnit unit = vcpus.getFirst().unit;
                thrown.set(assertThrows(IllegalStateException.class, () -> unit.data("mine")));
                assertThrows(IllegalStateException.class, () -> pool.tickle(0));
              }
            });
    hang.end();
    Await.until("it was turned away", () -> thrown.get() != null);
  }

  @Test
  void itPicksWhatRunsElsewhere() {
    AtomicReference<SchedUnit> last = new AtomicReference<>();
    expectFault(
        Kind.ILLEGAL_PICK,
        "while it runs on pcpu=",
        pool ->
            new FifoFactory.Fifo(pool) {
              @Override
              public void pick(int pcpu, long nowNanos, Decision decision) {
                if (misbehave && last.get() != null && last.get().runningOn() >= 0) {
                  decision.run(last.get(), 1_000_000);
                  return;
                }
                super.pick(pcpu, nowNanos, decision);
                last.set(decision.unit());
              }
            });
  }

  @Test
  void itPicksWhatSleeps() {
    expectFault(
        Kind.ILLEGAL_PICK,
        "not runnable",
        pool ->
            new FifoFactory.Fifo(pool) {
              private SchedUnit sleeper;

              @Override
              public void put(SchedUnit unit, int pcpu, PutReason reason, long ran, long now) {
                super.put(unit, pcpu, reason, ran, now);
                sleeper = reason == PutReason.SLEPT ? unit : sleeper;
              }

              @Override
              public void pick(int pcpu, long nowNanos, Decision decision) {
                super.pick(pcpu, nowNanos, decision);
                if (misbehave && sleeper != null && !sleeper.runnable()) {
                  decision.run(sleeper, 1_000_000);
                }
              }
            });
  }

  @Test
  void itIgnoresAffinity() {
    FifoFactory careless =
        new FifoFactory(
            "careless",
            schedPool ->
                new FifoFactory.Fifo(schedPool) {
                  @Override
                  public void pick(int pcpu, long nowNanos, Decision decision) {
                    SchedUnit first = queue.poll();
                    if (first == null) {
                      decision.idle();
                    } else {
                      decision.run(first, 1_000_000);
                    }
                  }
                });
    Pool pool = dispatcher.createPool("pinned", 2, careless, Map.of());
    for (int i = 0; i < 3; i++) {
      FakeVcpu vcpu = FakeVcpu.in(pool, i, UnitParams.DEFAULT.withAffinity(CpuMask.of(1)));
      vcpu.give(FakeVcpu.ENDLESS);
      vcpus.add(vcpu);
    }
    awaitFault(pool, "careless", Kind.ILLEGAL_PICK, "outside its affinity=1");
  }

  @Test
  void itGivesASliceForEver() {
    expectFault(
        Kind.ILLEGAL_PICK,
        "slice=9223372036854775807",
        pool ->
            new FifoFactory.Fifo(pool) {
              @Override
              public void pick(int pcpu, long nowNanos, Decision decision) {
                super.pick(pcpu, nowNanos, decision);
                if (misbehave && !decision.isIdle()) {
                  decision.run(decision.unit(), Long.MAX_VALUE);
                }
              }
            });
  }

  @Test
  void itDecidesNothing() {
    expectFault(
        Kind.ILLEGAL_PICK,
        "decided nothing",
        pool ->
            new FifoFactory.Fifo(pool) {
              @Override
              public void pick(int pcpu, long nowNanos, Decision decision) {
                if (!misbehave) {
                  super.pick(pcpu, nowNanos, decision);
                }
              }
            });
  }

  @Test
  void itStarvesAUnitWhileOthersRun() {
    expectFault(
        Kind.STARVATION,
        "d0v0 is runnable",
        pool ->
            new FifoFactory.Fifo(pool) {
              @Override
              public void put(SchedUnit unit, int pcpu, PutReason reason, long ran, long now) {
                if (!(misbehave && unit.domid() == 0)) {
                  super.put(unit, pcpu, reason, ran, now);
                }
              }
            });
  }

  @Test
  void itForgetsAUnitAndIdles() {
    expectFault(
        Kind.STARVATION,
        "is runnable",
        pool ->
            new FifoFactory.Fifo(pool) {
              @Override
              public void pick(int pcpu, long nowNanos, Decision decision) {
                if (misbehave) {
                  decision.idle();
                } else {
                  super.pick(pcpu, nowNanos, decision);
                }
              }
            });
  }

  @Test
  void listenersHearOfIt() {
    List<SchedulerFault> heard = new ArrayList<>();
    dispatcher.addFaultListener(fault -> {
      throw new IllegalStateException("a bad listener");
    });
    dispatcher.addFaultListener(fault -> {
      synchronized (heard) {
        heard.add(fault);
      }
    });
    itDecidesNothing();
    Await.until(
        "the listener has heard",
        () -> {
          synchronized (heard) {
            return heard.size() == 1;
          }
        });
    assertEquals(dispatcher.faults(), heard);
  }

  /** Does as it should until told not to, then {@link #now} once in one of its verbs. */
  private abstract class Misbehaving extends FifoFactory.Fifo {
    private final String verb;

    Misbehaving(SchedPool pool, String verb) {
      super(pool);
      this.verb = verb;
    }

    abstract void now();

    private void at(String here) {
      if (misbehave && here.equals(verb)) {
        now();
      }
    }

    @Override
    public void insert(SchedUnit unit, long nowNanos) {
      at("insert");
      super.insert(unit, nowNanos);
    }

    @Override
    public void remove(SchedUnit unit, long nowNanos) {
      at("remove");
      super.remove(unit, nowNanos);
    }

    @Override
    public void wake(SchedUnit unit, long nowNanos) {
      at("wake");
      super.wake(unit, nowNanos);
    }

    @Override
    public void sleep(SchedUnit unit, long nowNanos) {
      at("sleep");
      super.sleep(unit, nowNanos);
    }

    @Override
    public void adjust(SchedUnit unit, long nowNanos) {
      at("adjust");
    }

    @Override
    public void pick(int pcpu, long nowNanos, Decision decision) {
      at("pick");
      super.pick(pcpu, nowNanos, decision);
    }

    @Override
    public void put(SchedUnit unit, int pcpu, PutReason reason, long ran, long now) {
      at("put");
      super.put(unit, pcpu, reason, ran, now);
    }
  }

  private void expectFault(Kind kind, String detail, Function<SchedPool, Scheduler> create) {
    misbehave = false;
    String name = "culprit-" + vcpus.size();
    Pool pool =
        dispatcher.createPool("pool-" + vcpus.size(), 2, new FifoFactory(name, create), Map.of());
    List<FakeVcpu> here = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      FakeVcpu vcpu = FakeVcpu.in(pool, i, UnitParams.DEFAULT);
      vcpu.give(i < 3 ? FakeVcpu.ENDLESS : 1);
      here.add(vcpu);
    }
    SwapTest.goOn(here);
    vcpus.addAll(here);
    int before = dispatcher.faults().size();
    misbehave = true;
    if (kind != Kind.STARVATION) { // which a pause would end
      stir(pool, here, before);
    }
    awaitFault(pool, name, kind, detail);
    SwapTest.goOn(here);
    assertTrue(pool.swap(new FifoFactory("successor"), Map.of()).swapped());
    SwapTest.goOn(here);
    assertEquals(before + 1, dispatcher.faults().size());
    for (FakeVcpu vcpu : here) {
      vcpu.tokens.set(0); // leave the host to the next pool
    }
  }

  /** Makes the kernel use every verb of the SPI, until one was too much. */
  private void stir(Pool pool, List<FakeVcpu> here, int before) {
    AtomicInteger domid = new AtomicInteger(100);
    Await.until(
        "there is a fault",
        () -> {
          FakeVcpu passing = FakeVcpu.in(pool, domid.incrementAndGet(), UnitParams.DEFAULT);
          passing.give(1);
          here.get(0).unit.pauseAndWait();
          here.get(0).unit.resume();
          here.get(1).unit.pause();
          here.get(2).unit.params(UnitParams.DEFAULT.withWeight(domid.get()));
          here.get(3).give(1);
          Thread.yield();
          here.get(1).unit.resume();
          pool.remove(passing.unit);
          return dispatcher.faults().size() > before;
        });
  }

  private void awaitFault(Pool pool, String name, Kind kind, String detail) {
    Await.until("a fault of " + name, () -> hasFault(name));
    SchedulerFault fault =
        dispatcher.faults().stream().filter(f -> f.scheduler().equals(name)).findFirst().get();
    assertEquals(kind, fault.kind(), fault::toString);
    assertTrue(fault.detail().contains(detail), fault::toString);
    assertEquals(pool.name(), fault.pool());
    assertTrue(fault.provider().endsWith("FifoFactory"), fault::toString);
    assertEquals(LastResort.FACTORY, pool.scheduler());
  }

  private boolean hasFault(String name) {
    return dispatcher.faults().stream().anyMatch(fault -> fault.scheduler().equals(name));
  }
}
