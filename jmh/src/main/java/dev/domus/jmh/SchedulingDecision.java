package dev.domus.jmh;

import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.Runner;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.trace.TraceSpec;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs a pCPU to end one slice and begin the next, everything included: two clock reads,
 * the pool's lock, put, pick, run states, CPU time. Guests that use their slices up at once stand
 * in for guests; one alone has the pCPU's thread yield its host CPU, too. Judge it by the ratio to
 * {@link #twoClockReads}, which are in it. Of the schedulers those are here that serve any number
 * of units; {@link SchedulerAlone} has all.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class SchedulingDecision {
  private static final int DECISIONS = 200_000;

  /** The scheduler. */
  @Param({"rr", "credit", "credit2", "eevdf", "rtds", "chaos"})
  public String scheduler;

  /** How many units share the pCPU. */
  @Param({"1", "2", "64", "10000"})
  public int units;

  /** Whether everything is recorded, and nobody reads it: {@code -p trace=off,on} compares. */
  @Param("off")
  public String trace;

  private final AtomicInteger blocked = new AtomicInteger();
  private Dispatcher dispatcher;
  private Guest[] guests;
  private int left; // of the pCPU thread, while any guest is awake

  /** Uses its slice up at once. */
  private final class Guest implements Runner {
    private DispatchUnit unit;

    @Override
    public SliceEnd runSlice(long deadlineNanos) {
      if (left > 0) {
        left--;
        return SliceEnd.YIELDED; // who says that a slice expired before its time goes on with it
      }
      unit.prepareToBlock();
      blocked.incrementAndGet();
      return SliceEnd.BLOCKED;
    }

    @Override
    public void preempt() {}

    @Override
    public String label() {
      return "guest";
    }
  }

  /** A pool with one pCPU. */
  @Setup
  public void open() {
    SchedulerFactory factory = SchedulerAlone.named(scheduler);
    dispatcher = new Dispatcher();
    if (trace.equals("on")) {
      dispatcher.tracer().start(TraceSpec.everything());
    }
    Pool pool = dispatcher.createPool("p", 1, factory, Map.of());
    guests = new Guest[units];
    for (int i = 0; i < units; i++) {
      guests[i] = new Guest();
      guests[i].unit = pool.add(guests[i], i, 0, UnitParams.DEFAULT);
    }
  }

  /** Stops the pCPU. */
  @TearDown
  public void close() {
    if (!dispatcher.faults().isEmpty()) {
      throw new IllegalStateException(dispatcher.faults().toString());
    }
    dispatcher.close();
  }

  /** One decision. */
  @Benchmark
  @OperationsPerInvocation(DECISIONS)
  public void decide() {
    blocked.set(0);
    left = DECISIONS;
    for (Guest guest : guests) {
      guest.unit.wake();
    }
    while (blocked.get() < units) {
      Thread.yield();
    }
  }

  /** The part of it that is the host's. */
  @Benchmark
  public long twoClockReads() {
    return System.nanoTime() + System.nanoTime();
  }
}
