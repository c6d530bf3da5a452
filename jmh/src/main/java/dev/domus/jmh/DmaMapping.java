package dev.domus.jmh;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import dev.domus.iommu.UnitSettings;
import dev.domus.iommu.dma.DmaMapper;
import dev.domus.iommu.dma.DmaProtection;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.iommu.dma.PendingUnmaps;
import dev.domus.iommu.iova.IovaAllocator;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
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
 * Mapping and unmapping, as a driver asks for it, strict and deferred, alone, with a device's
 * access in between, and by two threads at once in one space. Baselines: the eight compare-and-sets
 * on lines of one's own that a map and an unmap make ({@link #floorOfLocks}), and the raw copy. Two
 * threads scale well if {@code …OfTwo} takes as long as without. Run with {@code -prof gc}: nothing
 * may be allocated.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class DmaMapping {
  private static final int FRAMES = 1 << 15;
  private static final int BOTH = IoDomain.READ | IoDomain.WRITE;
  private static final int BATCH = 256;

  private MachineMemory memory;
  private FrameTable frames;
  private IommuUnit unit;
  private IovaAllocator addresses;
  private IovaAllocator littered;
  private DmaMapper strict;
  private DmaMapper deferred;
  private IoDomain domain;
  private int devices;

  /** A deferred mode. */
  private record Deferred(PendingUnmaps pending) implements DmaProtection {
    @Override
    public long map(DmaSpace space, long[] mfns, int from, int count, int permissions, long limit) {
      return space.map(mfns, from, count, permissions, limit);
    }

    @Override
    public long map(DmaSpace space, long mfn, long count, int permissions, long limit) {
      return space.map(mfn, count, permissions, limit);
    }

    @Override
    public void unmap(DmaSpace space, long iova, long pages) {
      pending.add(iova, pages);
    }

    @Override
    public void settle(DmaSpace space) {
      pending.flush();
    }
  }

  /** A machine with one space and two devices attached to it. */
  @Setup
  public void reserve() {
    memory = MachineMemory.reserve((long) FRAMES << 12);
    frames = new FrameTable(FRAMES);
    FrameAllocator allocator = new FrameAllocator(memory, frames, FRAMES / 2);
    unit = new IommuUnit(memory, frames, allocator, new CodeFrames(FRAMES), UnitSettings.usual());
    domain = unit.newDomain(4, false);
    addresses = new IovaAllocator(1L << 36);
    DmaSpace space = new DmaSpace(domain, addresses);
    strict = new DmaMapper(space, DmaProtection.STRICT, Long.MAX_VALUE);
    deferred = new DmaMapper(space, new Deferred(new PendingUnmaps(space, BATCH)), Long.MAX_VALUE);
    littered = new IovaAllocator(1L << 32);
    litter();
    sanity();
  }

  /** Below 4 GiB every other page taken for good. */
  private void litter() {
    for (int i = 0; i < 450_000; i++) {
      littered.allocate(1, IovaAllocator.LIMIT_32_BIT);
      littered.free(littered.allocate(1, IovaAllocator.LIMIT_32_BIT), 1);
    }
  }

  private void sanity() {
    Own own = new Own();
    own.attach(this);
    long iova = strict.mapSingle(own.ma, 4096, BOTH);
    boolean reached = own.port.read(iova, own.buffer, 0, 64) == DmaPort.OK;
    strict.unmap(iova, 4096);
    if (!reached || own.port.read(iova, own.buffer, 0, 64) == DmaPort.OK) {
      throw new IllegalStateException("mappings do not work");
    }
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    frames.close();
    memory.close();
  }

  /** A thread's own device, buffer and frames. */
  @State(Scope.Thread)
  public static class Own {
    private final MemorySegment buffer = MemorySegment.ofArray(new long[512]);
    private final AtomicLong[] cells = new AtomicLong[8];
    private final long[] mfns = new long[64];
    private DmaPort port;
    private long ma;

    /** The next device. */
    @Setup
    public void attach(DmaMapping machine) {
      synchronized (machine) {
        int number = machine.devices++;
        RequesterId device = new RequesterId(0x10 + number);
        machine.unit.attach(device, machine.domain);
        port = machine.unit.newPort(device);
        ma = 0x10_0000L + number * 0x10_0000L;
      }
      for (int i = 0; i < mfns.length; i++) {
        mfns[i] = (ma >>> 12) + (i * 7 & 63);
      }
      for (int i = 0; i < cells.length; i++) {
        cells[i] = new AtomicLong();
      }
    }
  }

  /** What eight locked instructions cost. */
  @Benchmark
  public boolean floorOfLocks(Own own) {
    boolean done = true;
    for (AtomicLong cell : own.cells) {
      done &= cell.compareAndSet(cell.getPlain(), 1);
    }
    return done;
  }

  /** An address, to and fro. */
  @Benchmark
  public void address() {
    addresses.free(addresses.allocate(1, Long.MAX_VALUE), 1);
  }

  /** 64 pages below 4 GiB, where every other page is taken. */
  @Benchmark
  public void addressesAmongLitter() {
    littered.free(littered.allocate(64, IovaAllocator.LIMIT_32_BIT), 64);
  }

  /** The same in a space with room; the difference is what litter costs. */
  @Benchmark
  public void addressesOfEmptySpace() {
    addresses.free(addresses.allocate(64, IovaAllocator.LIMIT_32_BIT), 64);
  }

  /** A page, mapped and unmapped, strict. */
  @Benchmark
  public void strict(Own own) {
    strict.unmap(strict.mapSingle(own.ma, 4096, BOTH), 4096);
  }

  /** By two threads. */
  @Benchmark
  @Threads(2)
  public void strictOfTwo(Own own) {
    strict.unmap(strict.mapSingle(own.ma, 4096, BOTH), 4096);
  }

  /** A page, mapped and unmapped, deferred. */
  @Benchmark
  public void deferred(Own own) {
    deferred.unmap(deferred.mapSingle(own.ma, 4096, BOTH), 4096);
  }

  /** By two threads. */
  @Benchmark
  @Threads(2)
  public void deferredOfTwo(Own own) {
    deferred.unmap(deferred.mapSingle(own.ma, 4096, BOTH), 4096);
  }

  /** Baseline: the copy of a page. */
  @Benchmark
  public void rawCopy(Own own) {
    MemorySegment.copy(memory.segment(), own.ma, own.buffer, 0, 4096);
  }

  /** Mapped, read by the device, unmapped: strict. The access misses. */
  @Benchmark
  public int strictWithAccess(Own own) {
    long iova = strict.mapSingle(own.ma, 4096, BOTH);
    int status = own.port.read(iova, own.buffer, 0, 4096);
    strict.unmap(iova, 4096);
    return status;
  }

  /** The same, deferred. */
  @Benchmark
  public int deferredWithAccess(Own own) {
    long iova = deferred.mapSingle(own.ma, 4096, BOTH);
    int status = own.port.read(iova, own.buffer, 0, 4096);
    deferred.unmap(iova, 4096);
    return status;
  }

  /** 64 frames as one range: strict. */
  @Benchmark
  public void strictOf64Frames(Own own) {
    strict.unmap(strict.mapFrames(own.mfns, 0, 64, BOTH), 64 << 12);
  }

  /** The same, deferred. */
  @Benchmark
  public void deferredOf64Frames(Own own) {
    deferred.unmap(deferred.mapFrames(own.mfns, 0, 64, BOTH), 64 << 12);
  }
}
