package dev.domus.kernel.pci;

import dev.domus.kernel.io.IoSpace;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.memory.MachineMemory;

/**
 * Gives regions their places in I/O memory: the lowest that is free, aligned to the size, as the
 * bus wants it.
 */
final class BarSpace {
  static final int FRAME_SHIFT = MachineMemory.FRAME_SHIFT;

  private final IoSpace memory;

  BarSpace(IoSpace memory) {
    this.memory = memory;
  }

  /**
   * Claims a region.
   *
   * @param bytes a power of two, whole frames
   * @throws IllegalStateException if I/O memory is used up, which takes 2⁵² bytes
   */
  IoClaim claim(long bytes, IoHandler handler) {
    long frames = bytes >>> FRAME_SHIFT;
    long first = memory.firstUnit() + frames - 1 & -frames;
    while (memory.covers(first, frames)) {
      IoClaim claim = memory.claim(first, frames, handler);
      if (claim != null) {
        return claim;
      }
      first += frames;
    }
    throw new IllegalStateException("no I/O memory is left for a region: bytes=" + bytes);
  }
}
