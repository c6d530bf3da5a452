package dev.domus.sched.credit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.domus.kernel.dispatch.DispatchLimits;
import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.PcpuClock;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.Runner;
import dev.domus.kernel.dispatch.SwapReport;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.rr.RoundRobinFactory;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** credit and rr under the kernel's dispatcher, swapped while units run. */
class LivePoolTest {
  private static final SchedulerFactory CREDIT = new CreditFactory();
  private static final SchedulerFactory RR = new RoundRobinFactory();

  /** For threads on a busy host: nothing here is about faults. */
  private static final DispatchLimits PATIENT =
      new DispatchLimits(10_000_000, 20_000_000_000L, 60_000_000_000L, 20_000_000_000L);

  // ------------------------------------------------------------------ shares, in virtual time

  /** Time passes where a unit spends it, so one pCPU's history is the same each time. */
  private static final class VirtualClock implements PcpuClock {
    private final AtomicLong nanos = new AtomicLong();

    @Override
    public long nanoTime() {
      return nanos.get();
    }

    @Override
    public void idle(long deadlineNanos) {
      if (deadlineNanos == Long.MAX_VALUE) {
        LockSupport.park(this);
      } else {
        nanos.accumulateAndGet(deadlineNanos, Math::max);
      }
    }
  }

  /** Spends virtual time, 50 µs at a time, up to a moment at which it stands still. */
  private static final class Spender implements Runner {
    private final VirtualClock clock;
    private final AtomicLong horizon;
    private final String label;
    private volatile boolean preempted;

    Spender(VirtualClock clock, AtomicLong horizon, String label) {
      this.clock = clock;
      this.horizon = horizon;
      this.label = label;
    }

    @Override
    public SliceEnd runSlice(long deadlineNanos) {
      while (true) {
        if (preempted) {
          preempted = false;
          return SliceEnd.PREEMPTED;
        }
        if (clock.nanoTime() >= deadlineNanos) {
          return SliceEnd.EXPIRED;
        }
        if (clock.nanoTime() < horizon.get()) {
          clock.nanos.addAndGet(50_000);
        } else {
          Thread.yield();
        }
      }
    }

    @Override
    public void preempt() {
      preempted = true;
    }

    @Override
    public String label() {
      return label;
    }
  }

  @Test
  void sharesFollowWeightsThenTurnsThenWeightsAsTheSchedulerIsSwapped() {
    VirtualClock clock = new VirtualClock();
    AtomicLong horizon = new AtomicLong();
    try (Dispatcher dispatcher = new Dispatcher(clock, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 1, CREDIT, Map.of());
      DispatchUnit light = pool.add(new Spender(clock, horizon, "d1v0"), 1, 0, UnitParams.DEFAULT);
      DispatchUnit heavy =
          pool.add(new Spender(clock, horizon, "d2v0"), 2, 0, UnitParams.DEFAULT.withWeight(512));
      light.wake();
      heavy.wake();
      share(clock, horizon, light, 500); // who came first had the pCPU to itself
      assertEquals(1 / 3.0, share(clock, horizon, light, 2_000), 0.01);
      assertTrue(pool.swap(RR, Map.of()).swapped());
      assertEquals(1 / 2.0, share(clock, horizon, light, 2_000), 0.01);
      assertTrue(pool.swap(CREDIT, Map.of()).swapped());
      assertEquals(1 / 3.0, share(clock, horizon, light, 2_000), 0.01);
      assertEquals(List.of(), dispatcher.faults());
    }
  }

  /** Lets time pass, and says what share of it a unit had. */
  private static double share(
      VirtualClock clock, AtomicLong horizon, DispatchUnit unit, long millis) {
    long start = clock.nanoTime();
    long before = unit.cpuTimeNanos();
    horizon.set(start + millis * 1_000_000);
    await("the time has passed", () -> clock.nanoTime() >= horizon.get());
    return (unit.cpuTimeNanos() - before) / (double) (clock.nanoTime() - start);
  }

  // ------------------------------------------------------------------ swaps, in real time

  /** Works off tokens, hands each on to another, and blocks when it has none. */
  private static final class Relay implements Runner {
    private final String label;
    private final boolean busy;
    private final AtomicInteger tokens = new AtomicInteger();
    private final AtomicBoolean inside = new AtomicBoolean();
    private final AtomicLong worked = new AtomicLong();
    private volatile boolean preempted;
    private volatile boolean runTwice;
    private DispatchUnit unit;
    private Relay next;

    Relay(String label, boolean busy) {
      this.label = label;
      this.busy = busy;
    }

    void give() {
      tokens.incrementAndGet();
      unit.wake();
    }

    @Override
    public SliceEnd runSlice(long deadlineNanos) {
      runTwice |= !inside.compareAndSet(false, true);
      try {
        while (true) {
          if (preempted) {
            preempted = false;
            return SliceEnd.PREEMPTED;
          }
          if (System.nanoTime() >= deadlineNanos) {
            return SliceEnd.EXPIRED;
          }
          if (!busy && tokens.get() == 0) {
            unit.prepareToBlock();
            if (tokens.get() == 0) {
              return SliceEnd.BLOCKED;
            }
          }
          worked.incrementAndGet();
          if (!busy) {
            tokens.decrementAndGet();
            next.give();
          }
        }
      } finally {
        inside.set(false);
      }
    }

    @Override
    public void preempt() {
      preempted = true;
    }

    @Override
    public String label() {
      return label;
    }
  }

  @Test
  void aThousandSwapsUnderLoadLoseNothing() {
    swapUnderLoad(1_000);
  }

  @Test
  @Tag("long")
  void tenThousandSwapsUnderLoadLoseNothing() {
    swapUnderLoad(10_000);
  }

  private static void swapUnderLoad(int swaps) {
    try (Dispatcher dispatcher = new Dispatcher(PcpuClock.REAL, PATIENT)) {
      Pool pool = dispatcher.createPool("p", 2, CREDIT, Map.of());
      Relay[] relays = new Relay[64];
      for (int i = 0; i < relays.length; i++) {
        Relay relay = new Relay("d" + i + "v0", i % 4 == 0);
        int cap = i % 16 == 1 ? 40 : 0;
        relay.unit = pool.add(relay, i, 0, UnitParams.DEFAULT.withWeight(64 << i % 5).withCap(cap));
        relays[i] = relay;
      }
      for (int i = 0; i < relays.length; i++) {
        int next = i;
        do {
          next = (next + 1) % relays.length;
        } while (relays[next].busy);
        relays[i].next = relays[next];
      }
      for (int i = 0; i < relays.length; i++) {
        relays[i].give(); // 48 tokens for 48 that block
      }
      long[] pauses = new long[swaps];
      for (int i = 0; i < swaps; i++) {
        SwapReport report = pool.swap(i % 2 == 0 ? RR : CREDIT, Map.of());
        assertTrue(report.swapped(), () -> report.refusal().orElse(""));
        assertEquals(relays.length, report.units());
        pauses[i] = report.pauseNanos();
      }
      for (Relay relay : relays) {
        long worked = relay.worked.get();
        await(relay.label + " goes on", () -> relay.worked.get() > worked);
        assertTrue(!relay.runTwice, relay.label);
      }
      assertEquals(List.of(), dispatcher.faults());
      Arrays.sort(pauses);
      System.out.printf(
          "%d swaps, 64 units, 2 pCPUs: pause p50 %d us, p99 %d us, max %d us%n",
          swaps,
          pauses[swaps / 2] / 1_000,
          pauses[swaps * 99 / 100] / 1_000,
          pauses[swaps - 1] / 1_000);
    }
  }

  private static void await(String what, BooleanSupplier condition) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - start > 60_000_000_000L) {
        fail("waited in vain until " + what);
      }
      LockSupport.parkNanos(100_000);
    }
  }
}
