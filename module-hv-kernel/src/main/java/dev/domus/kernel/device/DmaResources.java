package dev.domus.kernel.device;

import dev.domus.iommu.RequesterId;
import dev.domus.iommu.dma.DmaSpace;

/** What a {@link DmaMode} has to work with, as long as it is not closed. Thread-safe. */
public interface DmaResources {
  /** Whose mappings they are. */
  RequesterId device();

  /** What the device reaches: nothing but what the mode maps there. */
  DmaSpace space();

  /** The mode's own frames, zeroed: {@link DmaModeFactory#memoryPages} of the driver's domain. */
  long[] frames();

  /**
   * Copies machine memory. One of the places is in the mode's own frames, the other in a mapping.
   *
   * @param from machine address
   * @param to machine address
   * @param length bytes; neither range leaves frames that follow each other
   */
  void copy(long from, long to, long length);

  /** Sets bytes of the mode's own frames to zero. */
  void clear(long ma, long length);
}
