package dev.domus.jmh;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.trace.Trace;
import dev.domus.kernel.trace.TraceSpec;
import dev.domus.kernel.trace.ring.TracedThread;
import java.util.Optional;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
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
 * What tracing costs a hypercall that does next to nothing, xen_version, on a thread with a buffer
 * of its own as pCPUs' have. Off against on here; off against a build without the hooks by running
 * this class in both. What it costs a scheduling decision is {@link SchedulingDecision} with {@code
 * -p trace=off,on}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class TraceCost {
  private static final int CALLS = 200_000;

  /** Whether everything is recorded, and nobody reads it. */
  @Param({"off", "on"})
  public String trace;

  private final CyclicBarrier turn = new CyclicBarrier(2);
  private BenchGuests guests;
  private BenchGuests.Guest guest;
  private Optional<Trace.Session> session = Optional.empty();
  private volatile boolean over;

  /** Makes the calls. */
  private final class Caller extends TracedThread {
    Caller() {
      super("caller");
      setDaemon(true);
    }

    @Override
    public int pcpu() {
      return 0;
    }

    @Override
    public int currentVcpu() {
      return -1;
    }

    @Override
    public void run() {
      await();
      while (!over) {
        for (int i = 0; i < CALLS; i++) {
          guest.call(HypercallNumber.XEN_VERSION, 0, 0, 0, 0);
        }
        await();
        await();
      }
    }
  }

  private void await() {
    try {
      turn.await();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** A guest that makes no other calls. */
  @Setup
  public void build() {
    guests = new BenchGuests();
    guest = guests.build();
    if (trace.equals("on")) {
      session = Optional.of(guests.tracer().start(TraceSpec.everything()));
    }
    new Caller().start();
  }

  /** Gives the machine back. */
  @TearDown
  public void close() {
    over = true;
    await();
    session.ifPresent(Trace.Session::close);
    guests.close();
  }

  /** One call. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void hypercall() {
    await();
    await();
  }
}
