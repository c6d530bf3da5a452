package dev.domus.jmh;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import dev.domus.iommu.UnitSettings;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
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
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a device's access costs over the copy alone. Hits walk over 64 pages that are all in the
 * IOTLB, misses over 4,096 pages of which it never holds the next one ({@link #rawFar64} is their
 * baseline: the same frames by the same steps). The tables are then in the host's caches; where
 * they are not, a miss waits for memory besides. {@link #floorOfAnnouncing} is what cannot be
 * spared: one compare-and-set on a line of one's own. Run with {@code -prof gc}: nothing may be
 * allocated.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class DmaAccess {
  private static final RequesterId DEVICE = RequesterId.of(0, 3, 0);
  private static final int NEAR = 64;
  private static final int FAR = 1 << 12;
  private static final int FRAMES = FAR + 1024;

  private final MemorySegment buffer = MemorySegment.ofArray(new long[1 << 13]);
  private final AtomicLong cell = new AtomicLong();
  private MachineMemory memory;
  private FrameTable frames;
  private DmaPort port;
  private MemorySegment segment;

  /** Lengths are not constants: a device learns them from a descriptor, and the JIT does not. */
  private int small = 64;

  private int page = 4096;
  private int near;
  private int far;

  /** A machine in which pages 0 to FAR are mapped one by one, backwards. */
  @Setup
  public void reserve() {
    memory = MachineMemory.reserve((long) FRAMES << 12);
    segment = memory.segment();
    frames = new FrameTable(FRAMES);
    FrameAllocator allocator = new FrameAllocator(memory, frames, FAR + 1);
    IommuUnit unit =
        new IommuUnit(memory, frames, allocator, new CodeFrames(FRAMES), UnitSettings.usual());
    IoDomain domain = unit.newDomain();
    for (int each = 0; each < FAR; each++) {
      domain.map((long) each << 12, FAR - each, 1, IoDomain.READ | IoDomain.WRITE);
    }
    unit.attach(DEVICE, domain);
    port = unit.newPort(DEVICE);
    sanity();
  }

  private void sanity() {
    segment.set(ValueLayout.JAVA_LONG, (long) FAR << 12, 77);
    boolean works =
        port.read(0, buffer, 0, 8) == DmaPort.OK
            && buffer.get(ValueLayout.JAVA_LONG, 0) == 77
            && port.read((long) FAR << 12, buffer, 0, 8) != DmaPort.OK;
    if (!works) {
      throw new IllegalStateException("the port does not work");
    }
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    frames.close();
    memory.close();
  }

  private int nextNear() {
    return near = near + 1 & NEAR - 1;
  }

  /** Steps that no cache of sets likes: each page once, far from the last one. */
  private int nextFar() {
    return far = far + 1031 & FAR - 1;
  }

  /** What announcing an access costs at least. */
  @Benchmark
  public boolean floorOfAnnouncing() {
    long now = cell.getPlain();
    boolean done = cell.compareAndSet(now, now + 1);
    cell.setRelease(now);
    return done;
  }

  /** Baseline: 64 bytes. */
  @Benchmark
  public void raw64() {
    MemorySegment.copy(segment, (long) (FAR - nextNear()) << 12, buffer, 0, small);
  }

  /** 64 bytes by a hit. */
  @Benchmark
  public int hit64() {
    return port.read((long) nextNear() << 12, buffer, 0, small);
  }

  /** Baseline: a page. */
  @Benchmark
  public void raw4096() {
    MemorySegment.copy(segment, (long) (FAR - nextNear()) << 12, buffer, 0, page);
  }

  /** A page by a hit. */
  @Benchmark
  public int hit4096() {
    return port.read((long) nextNear() << 12, buffer, 0, page);
  }

  /** A page by a hit, by two devices at once. */
  @Benchmark
  @Threads(2)
  public int hit64OfTwo() {
    return port.read((long) nextNear() << 12, buffer, 0, small);
  }

  /** Baseline of misses. */
  @Benchmark
  public void rawFar64() {
    MemorySegment.copy(segment, (long) (FAR - nextFar()) << 12, buffer, 0, small);
  }

  /** 64 bytes by a miss. */
  @Benchmark
  public int miss64() {
    return port.read((long) nextFar() << 12, buffer, 0, small);
  }

  /** Baseline: 16 pages. */
  @Benchmark
  public void raw64KiB() {
    int first = nextNear() & -16;
    for (int i = 0; i < 16; i++) {
      MemorySegment.copy(segment, (long) (FAR - first - i) << 12, buffer, i << 12, page);
    }
  }

  /** 16 pages by one access. */
  @Benchmark
  public int hit64KiB() {
    return port.read((long) (nextNear() & -16) << 12, buffer, 0, 1 << 16);
  }

  /** A ring's word. */
  @Benchmark
  public int storeLong() {
    return port.storeLong((long) nextNear() << 12, 5);
  }
}
