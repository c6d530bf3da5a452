package dev.domus.kernel.device;

/**
 * What software reads from one base-address region. Set by the device, read by vCPUs at the same
 * time. Aligned accesses are atomic; what was set before {@link #set} is seen by whoever sees it
 * (release and acquire). Offsets out of range are an {@link IndexOutOfBoundsException}, which is
 * the device's failure.
 */
public interface Registers {
  /**
   * Sets what a register reads as.
   *
   * @param offset in bytes from the start of the region, aligned to the size
   * @param size 1, 2, 4 or 8 bytes
   */
  void set(long offset, int size, long value);

  /** What a register reads as, zero-extended; arguments as for {@link #set}. */
  long get(long offset, int size);

  /** All of the region reads as zero. */
  void clear();
}
