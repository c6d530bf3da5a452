package dev.domus.jmh;

import dev.domus.device.contract.SoftwareBus;
import dev.domus.device.contract.SoftwareMemory;
import dev.domus.kernel.device.DeviceException;
import dev.domus.nvme.NvmeModel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Random reads of 4 KiB: by the modelled NVMe controller, through queues, a worker thread and an
 * IOMMU whose mappings stay ({@link #device}), beside the same reads of the same file by this
 * thread ({@link #file}). The file is in the host's page cache, which is the worst case for the
 * ratio: a disk would take longer, for both. A driver that polls keeps {@value #DEPTH} reads under
 * way.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class NvmeReads {
  private static final int DEPTH = 32;
  private static final int ENTRIES = 64;
  private static final int PAGE = SoftwareMemory.PAGE;
  private static final int FILE_PAGES = 1 << 14;
  private static final long ADMIN_SQ = 0x1000, ADMIN_CQ = 0x2000, SQ = 0x3000, CQ = 0x4000;
  private static final long DATA = 0x10_0000;
  private static final int ENABLE = 1 | 6 << 16 | 4 << 20;
  private static final VarHandle SHORT = ValueLayout.JAVA_SHORT.varHandle();

  private Path path;
  private FileChannel channel;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(PAGE);
  private SoftwareBus bus;
  private MemorySegment commands;
  private MemorySegment completions;
  private int tail;
  private int head;
  private int phase = 1;
  private long random = 1;

  /** A file, a controller over it, and one pair of queues. */
  @Setup
  public void enable() throws IOException, DeviceException {
    path = Files.createTempFile("nvme-reads", ".img");
    Files.write(path, new byte[FILE_PAGES * PAGE]);
    channel = FileChannel.open(path);
    bus =
        new SoftwareBus(
            new NvmeModel()
                .create(
                    Map.of(
                        "file", path.toString(),
                        "readonly", "no",
                        "block-size", "4096",
                        "queues", "1",
                        "serial", "bench")));
    bus.memory().map(ADMIN_SQ, 4);
    bus.memory().map(DATA, ENTRIES);
    bus.store(0, 0x24, 4, 7 | 7 << 16);
    bus.store(0, 0x28, 8, ADMIN_SQ);
    bus.store(0, 0x30, 8, ADMIN_CQ);
    bus.store(0, 0x14, 4, ENABLE);
    bus.await("ready", () -> (bus.load(0, 0x1c, 4) & 1) != 0);
    admin(0, 5, CQ, 1 | ENTRIES - 1 << 16, 3 | 1 << 16);
    admin(1, 1, SQ, 1 | ENTRIES - 1 << 16, 1 | 1 << 16);
    commands = bus.memory().page(SQ);
    completions = bus.memory().page(CQ);
  }

  private void admin(int slot, int opcode, long prp, int dword10, int dword11) {
    long at = ADMIN_SQ + slot * 64L;
    bus.memory().putInt(at, opcode);
    bus.memory().putLong(at + 24, prp);
    bus.memory().putInt(at + 40, dword10);
    bus.memory().putInt(at + 44, dword11);
    bus.store(0, 0x1000, 4, slot + 1);
    long done = ADMIN_CQ + slot * 16L + 12;
    bus.await("the queue", () -> (bus.memory().getInt(done) >>> 16 & 1) == 1);
    if (bus.memory().getInt(done) >>> 17 != 0) {
      throw new IllegalStateException("no queue: status=" + (bus.memory().getInt(done) >>> 17));
    }
  }

  /** Unplugs it. */
  @TearDown
  public void disable() throws IOException {
    bus.close();
    channel.close();
    Files.delete(path);
  }

  private int page() {
    random = random * 6364136223846793005L + 1442695040888963407L;
    return (int) (random >>> 40) & FILE_PAGES - 1;
  }

  /** Through the controller. */
  @Benchmark
  @OperationsPerInvocation(DEPTH)
  public int device() {
    for (int i = 0; i < DEPTH; i++) {
      long at = tail * 64L;
      commands.set(ValueLayout.JAVA_INT, at, 2);
      commands.set(ValueLayout.JAVA_INT, at + 4, 1);
      commands.set(ValueLayout.JAVA_LONG, at + 24, DATA + (long) tail * PAGE);
      commands.set(ValueLayout.JAVA_LONG, at + 40, page());
      tail = tail + 1 & ENTRIES - 1;
    }
    bus.store(0, 0x1008, 4, tail);
    int status = 0;
    for (int i = 0; i < DEPTH; i++) {
      short word = (short) SHORT.getAcquire(completions, head * 16L + 14);
      while ((word & 1) != phase) {
        Thread.onSpinWait();
        word = (short) SHORT.getAcquire(completions, head * 16L + 14);
      }
      status |= word >>> 1;
      head = head + 1 & ENTRIES - 1;
      phase ^= head == 0 ? 1 : 0;
    }
    bus.store(0, 0x100c, 4, head);
    if (status != 0) {
      throw new IllegalStateException("a read has failed: status=" + status);
    }
    return status;
  }

  /** Directly. */
  @Benchmark
  @OperationsPerInvocation(DEPTH)
  public int file() throws IOException {
    int bytes = 0;
    for (int i = 0; i < DEPTH; i++) {
      bytes += channel.read(buffer.clear(), (long) page() * PAGE);
    }
    return bytes;
  }
}
