package dev.domus.kernel.device;

import dev.domus.iommu.dma.DmaProtection;

/**
 * A mode of protection at work for one device in the hands of a driver: how its mappings come about
 * and end, and what of that can be told.
 */
public interface DmaMode extends DmaProtection, AutoCloseable {
  /**
   * The longest, so far, that a device could still reach a page whose unmapping had returned: the
   * window of vulnerability, in nanoseconds. 0 if there is none, {@link Long#MAX_VALUE} if devices
   * are never kept out.
   */
  default long longestOpenNanos() {
    return 0;
  }

  /** Ranges that are unmapped, and that the device may reach at this moment. */
  default int open() {
    return 0;
  }

  /**
   * The device is its driver's no more, and nothing is mapped: ends what the mode has of threads.
   * Called once; nothing else is called afterwards.
   */
  @Override
  default void close() {
    // most have nothing
  }
}
