package dev.domus.dma.modes;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import dev.domus.iommu.UnitSettings;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.iommu.iova.IovaAllocator;
import dev.domus.kernel.device.DmaResources;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;

/** Memory, an IOMMU, and a device that reaches one space; a driver's pages, and a mode's. */
final class Lab implements DmaResources, AutoCloseable {
  static final RequesterId DEVICE = RequesterId.parse("00:04.0");
  private static final int FRAMES = 4096;

  final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
  final FrameTable frameTable = new FrameTable(FRAMES);
  final FrameAllocator allocator = new FrameAllocator(memory, frameTable, 1);
  final IommuUnit unit =
      new IommuUnit(memory, frameTable, allocator, new CodeFrames(FRAMES), UnitSettings.usual());
  final DmaSpace space = new DmaSpace(unit.newDomain(4, false), new IovaAllocator(1L << 36));
  final DmaPort port = unit.newPort(DEVICE);
  final long[] modeFrames;

  Lab(int modePages) {
    unit.attach(DEVICE, space.domain());
    modeFrames = frames(modePages);
  }

  /** Frames, zeroed, in an order that is not theirs. */
  long[] frames(int count) {
    long[] mfns = new long[count];
    for (int i = 0; i < count; i++) {
      mfns[(i * 7 + 3) % count] = allocator.allocate(0);
    }
    for (long mfn : mfns) {
      clear(mfn << 12, 4096);
    }
    return mfns;
  }

  MemorySegment segment() {
    return memory.segment();
  }

  @Override
  public RequesterId device() {
    return DEVICE;
  }

  @Override
  public DmaSpace space() {
    return space;
  }

  @Override
  public long[] frames() {
    return modeFrames.clone();
  }

  @Override
  public void copy(long from, long to, long length) {
    MemorySegment.copy(segment(), from, segment(), to, length);
  }

  @Override
  public void clear(long ma, long length) {
    segment().asSlice(ma, length).fill((byte) 0);
  }

  @Override
  public void close() {
    frameTable.close();
    memory.close();
  }
}
