package dev.domus.jmh;

import dev.domus.dma.modes.DeferredFactory;
import dev.domus.dma.modes.PassthroughFactory;
import dev.domus.dma.modes.ShadowFactory;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.service.DmaBuffer;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.servicedomain.ServiceRegistry;
import dev.domus.memory.Window;
import dev.domus.nvme.NvmeModel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a driver in a service domain pays for a page that is mapped and unmapped, in each mode, with
 * no device in between; beside it the copy of a page through a window. Run with {@code -prof gc}:
 * nothing may be allocated.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class DriverMapping {
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final long MACHINE_BYTES = 128L << 20, DOMAIN_PAGES = 4096;
  private static final long GFN = 0x100, MODE_GFN = 0x1000;
  private static final int PAGE = 4096, PAGES = 64;

  /** The mode. */
  @Param({"strict", "deferred", "shadow", "passthrough"})
  public String mode;

  private final MemorySegment copy = MemorySegment.ofArray(new long[PAGE / Long.BYTES]);
  private final int[] scattered = new int[PAGES];
  private Path path;
  private Hypervisor hypervisor;
  private LocalServiceDomain domain;
  private DmaBuffer buffer;
  private Window window;

  /** A machine with a device of domain 0's, and memory that is registered for it. */
  @Setup
  public void open() throws IOException {
    path = Files.createTempFile("driver-mapping", ".img");
    Files.write(path, new byte[1 << 20]);
    hypervisor = new Hypervisor(MACHINE_BYTES, new HypercallTable(), new Dispatcher());
    Map<String, DmaModeFactory> modes =
        Stream.of(new DeferredFactory(), new ShadowFactory(), new PassthroughFactory())
            .collect(Collectors.toMap(DmaModeFactory::name, Function.identity()));
    hypervisor.assignments().drivers().setModes(modes, true);
    NvmeModel model = new NvmeModel();
    DomainControl control =
        new DomainControl(hypervisor, Map.of(), Map.of(), Map.of(), Map.of(model.name(), model));
    domain =
        LocalServiceDomain.start(
                hypervisor,
                0,
                "Domain-0",
                DOMAIN_PAGES,
                true,
                new ServiceRegistry(),
                Optional.empty())
            .orElseThrow();
    control.plugDevice(model.name(), ID, Map.of("file", path.toString()));
    control.assignDevice(0, ID);
    domain.hypercalls().memory().populate(GFN, PAGES);
    buffer = domain.hypercalls().openDevice(ID, mode, MODE_GFN).register(GFN, PAGES, true);
    window = domain.hypercalls().memory().window(GFN, PAGES, true);
    for (int i = 0; i < PAGES; i++) {
      scattered[i] = mode.equals("passthrough") ? i : i * 7 & PAGES - 1;
    }
  }

  /** Gives the memory back. */
  @TearDown
  public void close() throws IOException {
    domain.close();
    hypervisor.close();
    Files.delete(path);
  }

  /** For the device to read. */
  @Benchmark
  public void toDevice() {
    buffer.unmap(buffer.map(0, PAGE, DmaBuffer.READ), PAGE);
  }

  /** For the device to write. */
  @Benchmark
  public void fromDevice() {
    buffer.unmap(buffer.map(0, PAGE, DmaBuffer.WRITE), PAGE);
  }

  /** 64 pages as one range. */
  @Benchmark
  public void scatter() {
    buffer.unmap(buffer.mapPages(scattered, 0, PAGES, DmaBuffer.WRITE), PAGES * PAGE);
  }

  /** Baseline. */
  @Benchmark
  public void copy() {
    window.read(0, copy, 0, PAGE);
  }
}
