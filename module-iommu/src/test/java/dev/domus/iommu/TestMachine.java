package dev.domus.iommu;

import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** A small machine with an IOMMU, for tests, and what they look at from outside. */
final class TestMachine implements AutoCloseable {
  static final int FRAME = MachineMemory.FRAME_BYTES;
  static final RequesterId DEVICE = RequesterId.parse("00:03.0");

  record Fault(int requester, FaultReason reason, long address, boolean write, long more) {}

  final MachineMemory memory;
  final FrameTable frameTable;
  final FrameAllocator allocator;
  final CodeFrames codeFrames;
  final IommuUnit unit;

  TestMachine(int frames, UnitSettings settings) {
    memory = MachineMemory.reserve((long) frames * FRAME);
    frameTable = new FrameTable(frames);
    allocator = new FrameAllocator(memory, frameTable, 1);
    codeFrames = new CodeFrames(frames);
    unit = new IommuUnit(memory, frameTable, allocator, codeFrames, settings);
  }

  static TestMachine usual() {
    return new TestMachine(4096, UnitSettings.usual());
  }

  MemorySegment segment() {
    return memory.segment();
  }

  /** Takes a frame and writes a number into its first bytes. */
  long frame(long mark) {
    long mfn = allocator.allocate(0);
    mark(mfn, mark);
    return mfn;
  }

  void mark(long mfn, long mark) {
    segment().set(ValueLayout.JAVA_LONG, mfn * FRAME, mark);
  }

  long at(long ma) {
    return segment().get(ValueLayout.JAVA_LONG, ma);
  }

  void set(long ma, long value) {
    segment().set(ValueLayout.JAVA_LONG, ma, value);
  }

  List<Fault> faults() {
    List<Fault> all = new ArrayList<>();
    unit.faults()
        .drain((requester, reason, address, write, more) ->
            all.add(new Fault(requester, reason, address, write, more)));
    return all;
  }

  @Override
  public void close() {
    frameTable.close();
    memory.close();
  }
}
