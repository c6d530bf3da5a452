package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.servicedomain.ServiceRegistry;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs a service domain to go through the hypercall table: a typed send beside the send
 * itself ({@link #send}), on an unbound port, where it ends at once; a grant mapped and unmapped;
 * and memory asked about, which does least.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class ServiceHypercalls {
  private static final int FRONT = 1, BACK = 2;
  private static final long MACHINE_BYTES = 64L << 20, PAGES = 64;

  private Hypervisor hypervisor;
  private LocalServiceDomain front;
  private LocalServiceDomain back;
  private Hypercalls calls;
  private EventPort port;
  private int ref;

  /** Domain 1 grants a page to domain 2. */
  @Setup
  public void grant() {
    hypervisor = new Hypervisor(MACHINE_BYTES, new HypercallTable(), new Dispatcher());
    hypervisor.setControl(new DomainControl(hypervisor, Map.of(), Map.of(), Map.of()));
    front = start(FRONT);
    back = start(BACK);
    calls = back.hypercalls();
    front.hypercalls().memory().populate(0, 1);
    ref = front.hypercalls().grants().permit(BACK, 0, true).ref();
    port = calls.allocUnbound(FRONT, () -> {});
  }

  private LocalServiceDomain start(int domid) {
    return LocalServiceDomain.start(
            hypervisor, domid, "d" + domid, PAGES, false, new ServiceRegistry(), Optional.empty())
        .orElseThrow();
  }

  /** Gives the memory back. */
  @TearDown
  public void end() {
    front.close();
    back.close();
    hypervisor.close();
  }

  /** The send itself. */
  @Benchmark
  public int send() {
    return back.events().send(port.port());
  }

  /** A send by the typed interface. */
  @Benchmark
  @MappingPath(
      value = "event-send",
      what = "a service domain sends through the typed interface and the table",
      floor = "send")
  public void typedSend() {
    port.send();
  }

  /** current_reservation. */
  @Benchmark
  public long pages() {
    return calls.memory().pages(BACK);
  }

  /** A granted page mapped with its window, and unmapped. */
  @Benchmark
  @MappingPath(
      value = "grant",
      what = "a service domain maps a grant with a window, and unmaps it",
      floor = "pages")
  public void mapAndUnmap() {
    calls.mapGrant(FRONT, ref, true).close();
  }
}
