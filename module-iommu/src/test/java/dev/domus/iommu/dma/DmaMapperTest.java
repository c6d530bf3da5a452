package dev.domus.iommu.dma;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import dev.domus.iommu.UnitSettings;
import dev.domus.iommu.iova.IovaAllocator;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A driver's calls, seen from its device; with a deferred mode made of what is there for it. */
class DmaMapperTest {
  private static final int FRAMES = 8192;
  private static final int BOTH = IoDomain.READ | IoDomain.WRITE;
  private static final RequesterId DEVICE = RequesterId.parse("00:04.0");

  private final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
  private final FrameTable frames = new FrameTable(FRAMES);
  private final FrameAllocator allocator = new FrameAllocator(memory, frames, 1);
  private final IommuUnit unit =
      new IommuUnit(memory, frames, allocator, new CodeFrames(FRAMES), UnitSettings.usual());
  private final IoDomain domain = unit.newDomain(4, false);
  private final IovaAllocator addresses = new IovaAllocator(1L << 36);
  private final DmaSpace space = new DmaSpace(domain, addresses);
  private final DmaPort port = unit.newPort(DEVICE);
  private final MemorySegment buffer = MemorySegment.ofArray(new long[8192]);

  /** A deferred mode: eight at a time. */
  private static final class Deferred implements DmaProtection {
    final PendingUnmaps pending;

    Deferred(DmaSpace space) {
      pending = new PendingUnmaps(space, 8);
    }

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

  {
    unit.attach(DEVICE, domain);
  }

  @AfterEach
  void close() {
    frames.close();
    memory.close();
  }

  private long frame(long mark) {
    long mfn = allocator.allocate(0);
    memory.segment().set(ValueLayout.JAVA_LONG, mfn << 12, mark);
    return mfn;
  }

  private int read(long iova) {
    return port.read(iova, buffer, 0, 8);
  }

  @Test
  void aBufferIsReachedWhereItBeginsAndWhileItIsMapped() {
    DmaMapper mapper = new DmaMapper(space, DmaProtection.STRICT, IovaAllocator.LIMIT_32_BIT);
    long mfn = allocator.allocate(2);
    memory.segment().set(ValueLayout.JAVA_LONG, (mfn << 12) + 0xFF8, 42);

    long iova = mapper.mapSingle((mfn << 12) + 0xFF8, 0x1010, IoDomain.READ);

    assertTrue(iova > 0 && iova < IovaAllocator.LIMIT_32_BIT);
    assertEquals(0xFF8, iova & 0xFFF);
    assertEquals(DmaPort.OK, port.read(iova, buffer, 0, 0x1010));
    assertEquals(42, buffer.get(ValueLayout.JAVA_LONG, 0));
    assertNotEquals(DmaPort.OK, port.write(iova, buffer, 0, 8));
    assertNotEquals(DmaPort.OK, read((iova & -4096) + 3 * 4096L), "three pages, no more");
    assertThrows(IllegalArgumentException.class, () -> mapper.unmap(iova, 8), "not as mapped");
    assertEquals(DmaPort.OK, read(iova));
    mapper.unmap(iova, 0x1010);
    assertNotEquals(DmaPort.OK, read(iova));
    assertThrows(IllegalArgumentException.class, () -> mapper.unmap(iova, 0x1010));
    assertThrows(IllegalArgumentException.class, () -> mapper.mapSingle(0x5000, 0, BOTH));
  }

  @Test
  void scatteredFramesAreOneRange() {
    DmaMapper mapper = new DmaMapper(space, DmaProtection.STRICT, Long.MAX_VALUE);
    long[] mfns = new long[70];
    for (int i = 0; i < mfns.length; i++) {
      mfns[mfns.length - 1 - i] = frame(i);
    }

    long iova = mapper.mapFrames(mfns, 3, 64, BOTH);

    assertTrue(iova >= IovaAllocator.LIMIT_32_BIT, "the low addresses are left to others");
    for (int i = 0; i < 64; i++) {
      assertEquals(DmaPort.OK, read(iova + (i << 12)));
      assertEquals(mfns.length - 1 - 3 - i, buffer.get(ValueLayout.JAVA_LONG, 0));
    }
    mapper.unmap(iova, 64 << 12);
    for (int i = 0; i < 64; i++) {
      assertNotEquals(DmaPort.OK, read(iova + (i << 12)));
    }
  }

  @Test
  void deferredUnmapsAreOpenUntilTheBatchIsFullOrSettled() {
    Deferred deferred = new Deferred(space);
    DmaMapper mapper = new DmaMapper(space, deferred, Long.MAX_VALUE);
    long mfn = frame(1);
    long[] iovas = new long[8];
    for (int i = 0; i < 8; i++) {
      iovas[i] = mapper.mapSingle(mfn << 12, 8, BOTH);
      assertEquals(DmaPort.OK, read(iovas[i]));
    }
    for (int i = 0; i < 7; i++) {
      mapper.unmap(iovas[i], 8);
    }
    assertEquals(7, deferred.pending.pending());
    for (long iova : iovas) {
      assertEquals(DmaPort.OK, read(iova), "cached");
    }
    mapper.unmap(iovas[7], 8);
    assertEquals(0, deferred.pending.pending());
    for (long iova : iovas) {
      assertNotEquals(DmaPort.OK, read(iova));
    }
    assertTrue(deferred.pending.longestOpenNanos() > 0);
    long another = mapper.mapSingle(mfn << 12, 8, BOTH);
    assertEquals(DmaPort.OK, read(another));
    mapper.unmap(another, 8);
    assertThrows(IllegalArgumentException.class, () -> mapper.unmap(another, 16 << 12));
    deferred.settle(space);
    assertNotEquals(DmaPort.OK, read(another));
    assertThrows(IllegalArgumentException.class, () -> mapper.unmap(another, 8));
  }

  @Test
  void coherentMappingsGoAtOnceWhateverTheMode() {
    DmaMapper mapper = new DmaMapper(space, new Deferred(space), IovaAllocator.LIMIT_32_BIT);
    long[] ring = {frame(1), frame(2)};
    long iova = mapper.mapCoherent(ring, 0, 2, BOTH);
    assertEquals(DmaPort.OK, read(iova + 4096));
    assertEquals(2, buffer.get(ValueLayout.JAVA_LONG, 0));
    mapper.unmapCoherent(iova, 2);
    assertNotEquals(DmaPort.OK, read(iova + 4096));
  }

  @Test
  void exhaustionIsAnAnswerAndLeavesNothingTaken() {
    DmaMapper mapper = new DmaMapper(space, DmaProtection.STRICT, 0x4000);
    long[] mfns = new long[8];
    assertEquals(DmaSpace.NO_ADDRESS, mapper.mapFrames(mfns, 0, 8, BOTH));
    DmaMapper wide = new DmaMapper(space, DmaProtection.STRICT, Long.MAX_VALUE);
    for (int order = 10; order >= 0; order--) {
      while (allocator.allocate(order) != FrameAllocator.OUT_OF_MEMORY) {}
    }
    assertEquals(DmaSpace.NO_MEMORY, wide.mapFrames(mfns, 0, 8, BOTH));
    assertThrows(IllegalArgumentException.class, () -> addresses.check(1L << 32, 8));
  }

  @Test
  void aFrameThatIsNoneTakesNoAddresses() {
    DmaMapper mapper = new DmaMapper(space, DmaProtection.STRICT, 0x2000);
    assertThrows(
        IllegalArgumentException.class, () -> mapper.mapSingle((long) FRAMES << 12, 8, BOTH));
    assertThrows(
        IllegalArgumentException.class, () -> mapper.mapFrames(new long[] {-1}, 0, 1, BOTH));
    assertEquals(0x1000, mapper.mapSingle(0x1000, 8, BOTH), "the only one is still there");
  }

  @Test
  void aLargeBufferIsUnmappedAsItWasMapped() {
    DmaMapper mapper = new DmaMapper(space, DmaProtection.STRICT, Long.MAX_VALUE);
    long mfn = allocator.allocate(10);
    long tables = unit.tableFrames();
    long iova = mapper.mapSingle(mfn << 12, 1024 << 12, BOTH);
    assertEquals(DmaPort.OK, read(iova + (1023 << 12)));
    assertTrue(unit.tableFrames() <= tables + 2, "pages of 2 MiB");
    mapper.unmap(iova, 1024 << 12);
    assertNotEquals(DmaPort.OK, read(iova + (1023 << 12)));
  }
}
