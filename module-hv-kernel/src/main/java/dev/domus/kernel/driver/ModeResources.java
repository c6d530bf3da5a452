package dev.domus.kernel.driver;

import dev.domus.iommu.RequesterId;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.kernel.device.DmaResources;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;

/** What a mode of protection works with, for one device. */
record ModeResources(
    RequesterId device, DmaSpace space, long[] frames, MemorySegment memory, CodeFrames codeFrames)
    implements DmaResources {
  @Override
  public void copy(long from, long to, long length) {
    MemorySegment.copy(memory, from, memory, to, length);
    written(to, length);
  }

  @Override
  public void clear(long ma, long length) {
    memory.asSlice(ma, length).fill((byte) 0);
    written(ma, length);
  }

  /** So that no engine goes on executing what was there before. */
  private void written(long ma, long length) {
    long last = ma + length - 1 >>> MachineMemory.FRAME_SHIFT;
    for (long mfn = ma >>> MachineMemory.FRAME_SHIFT; mfn <= last; mfn++) {
      codeFrames.written(mfn);
    }
  }
}
