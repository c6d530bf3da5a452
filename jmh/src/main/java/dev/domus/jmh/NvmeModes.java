package dev.domus.jmh;

import com.sun.management.OperatingSystemMXBean;
import dev.domus.dma.modes.DeferredFactory;
import dev.domus.dma.modes.PassthroughFactory;
import dev.domus.dma.modes.ShadowFactory;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.servicedomain.ServiceRegistry;
import dev.domus.nvme.NvmeModel;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntSupplier;

/**
 * What the modes of protection cost a driver and leave open: random reads of 4 KiB from a modelled
 * NVMe controller by a driver in domain 0, mapped and unmapped a request, in each mode, beside the
 * same reads of the same file without any of that. Rounds of all of them follow one another in one
 * run, so that what else the machine does hits them alike; figures are medians of the rounds'
 * ratios, with the least and the greatest. The first round is not counted.
 *
 * <p>Run by {@code java --enable-native-access=ALL-UNNAMED -cp jmh/target/benchmarks.jar
 * dev.domus.jmh.NvmeModes [ROUNDS [MILLISECONDS]]}.
 */
public final class NvmeModes {
  private static final String PLAIN = "file, one thread", QUEUED = "file, queued";
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final long MACHINE_BYTES = 128L << 20, DOMAIN_PAGES = 4096;
  private static final int FILE_PAGES = 1 << 14, ROUNDS = 9, MILLIS = 700;

  /** What one contestant did in one round. */
  private record Result(double perSecond, double cpuNanos) {}

  private final OperatingSystemMXBean host =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private final Map<String, List<Result>> results = new LinkedHashMap<>();
  private final Map<String, Long> windows = new LinkedHashMap<>();
  private final PrintStream out = System.out;
  private long random = 1;

  private NvmeModes() {}

  /** Runs and prints a table. */
  public static void main(String[] arguments) throws IOException {
    int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : ROUNDS;
    int millis = arguments.length > 1 ? Integer.parseInt(arguments[1]) : MILLIS;
    new NvmeModes().run(rounds, millis);
  }

  private int page() {
    random = random * 6364136223846793005L + 1442695040888963407L;
    return (int) (random >>> 40) & FILE_PAGES - 1;
  }

  private void run(int rounds, int millis) throws IOException {
    Path path = Files.createTempFile("nvme-modes", ".img");
    Map<String, DmaModeFactory> modes = new LinkedHashMap<>();
    for (DmaModeFactory mode :
        List.of(new DeferredFactory(), new ShadowFactory(), new PassthroughFactory())) {
      modes.put(mode.name(), mode);
    }
    try (Hypervisor hypervisor =
        new Hypervisor(MACHINE_BYTES, new HypercallTable(), new Dispatcher())) {
      fill(path);
      hypervisor.assignments().drivers().setModes(modes, true);
      NvmeModel model = new NvmeModel();
      DomainControl control =
          new DomainControl(hypervisor, Map.of(), Map.of(), Map.of(), Map.of(model.name(), model));
      LocalServiceDomain domain =
          LocalServiceDomain.start(
                  hypervisor,
                  0,
                  "Domain-0",
                  DOMAIN_PAGES,
                  true,
                  new ServiceRegistry(),
                  Optional.empty())
              .orElseThrow();
      control.plugDevice(
          model.name(), ID, Map.of("file", path.toString(), "block-size", "4096", "queues", "1"));
      control.assignDevice(0, ID);
      List<String> names = new ArrayList<>(List.of("strict"));
      names.addAll(modes.keySet());
      for (int round = 0; round <= rounds; round++) {
        round(path, domain, names, millis);
        if (round == 0) {
          results.clear();
          windows.clear();
        }
      }
      domain.close();
    } finally {
      Files.delete(path);
    }
    print(rounds);
  }

  private static void fill(Path path) throws IOException {
    ByteBuffer page = ByteBuffer.allocate(NvmeDriver.PAGE).order(ByteOrder.LITTLE_ENDIAN);
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
      for (int i = 0; i < FILE_PAGES; i++) {
        page.clear().putInt(i).position(0).limit(NvmeDriver.PAGE);
        file.write(page, (long) i * NvmeDriver.PAGE);
      }
    }
  }

  /** Something that does reads until a deadline, and says how many. */
  @FunctionalInterface
  private interface Reads {
    long run(long deadlineNanos, IntSupplier pages) throws IOException;
  }

  private void round(Path path, LocalServiceDomain domain, List<String> modes, int millis)
      throws IOException {
    try (FileChannel file = FileChannel.open(path);
        FileQueue queue = new FileQueue(file)) {
      ByteBuffer buffer = ByteBuffer.allocateDirect(NvmeDriver.PAGE);
      measure(QUEUED, millis, queue::run);
      measure(
          PLAIN,
          millis,
          (deadline, pages) -> {
            long done = 0;
            while (System.nanoTime() - deadline < 0) {
              file.read(buffer.clear(), (long) pages.getAsInt() * NvmeDriver.PAGE);
              done++;
            }
            return done;
          });
    }
    for (String mode : modes) {
      try (NvmeDriver driver = new NvmeDriver(domain.hypercalls(), ID, mode)) {
        measure(mode, millis, driver::run);
        windows.merge(mode, driver.device().longestOpenNanos(), Math::max);
      }
    }
  }

  private void measure(String name, int millis, Reads reads) throws IOException {
    long cpu = host.getProcessCpuTime();
    long start = System.nanoTime();
    long done = reads.run(start + millis * 1_000_000L, this::page);
    double seconds = (System.nanoTime() - start) / 1e9;
    cpu = host.getProcessCpuTime() - cpu;
    results
        .computeIfAbsent(name, first -> new ArrayList<>())
        .add(new Result(done / seconds, (double) cpu / done));
  }

  // ---- the table

  private void print(int rounds) {
    out.printf(
        "%d rounds; medians, with the least and the greatest; processors: %d%n%n",
        rounds, Runtime.getRuntime().availableProcessors());
    out.println(
        "| | reads/s | as a ratio to the queued file | CPU time a read, µs | ratio of CPU time | window, ms |");
    out.println("|---|---|---|---|---|---|");
    List<Result> base = results.get(QUEUED);
    results.forEach((name, own) -> {
      double[] ratios = new double[own.size()];
      double[] cpuRatios = new double[own.size()];
      for (int i = 0; i < ratios.length; i++) {
        ratios[i] = own.get(i).perSecond / base.get(i).perSecond;
        cpuRatios[i] = own.get(i).cpuNanos / base.get(i).cpuNanos;
      }
      out.printf(
          "| %s | %,.0f | %s | %.1f | %s | %s |%n",
          name,
          median(own.stream().mapToDouble(Result::perSecond).toArray()),
          spread(ratios),
          median(own.stream().mapToDouble(Result::cpuNanos).toArray()) / 1000,
          spread(cpuRatios),
          window(windows.get(name)));
    });
  }

  private static String window(Long nanos) {
    if (nanos == null) {
      return "";
    }
    return nanos == Long.MAX_VALUE ? "without end" : "%.1f".formatted(nanos / 1e6);
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static String spread(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return "%.2f (%.2f–%.2f)".formatted(median(values), sorted[0], sorted[sorted.length - 1]);
  }
}
