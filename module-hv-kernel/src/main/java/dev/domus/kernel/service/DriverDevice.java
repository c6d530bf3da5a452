package dev.domus.kernel.service;

import dev.domus.iommu.RequesterId;

/**
 * A PCI function in the hands of its driver, which runs in the service domain that the function was
 * given to. It ends with {@link #close}, when the function is taken from the domain, and with the
 * domain: then nothing reaches the device through it any more, and calls are ESRCH. Thread-safe.
 */
public interface DriverDevice extends AutoCloseable {
  /** Which function it is. */
  RequesterId id();

  /** Name of the mode of protection. */
  String mode();

  /**
   * Sets what the command register of configuration space says: whether the function answers in its
   * regions, and whether it may send DMA and messages (PCI Local Bus Specification 3.0, 6.2.2).
   */
  void enable(boolean memory, boolean busMaster);

  /**
   * Reads a register. As on the bus, a function that does not answer reads as ones.
   *
   * @param bar number of the base-address region
   * @param offset aligned to the size
   * @param size 1, 2, 4 or 8 bytes
   * @return zero-extended
   */
  long load(int bar, long offset, int size);

  /** Writes a register; the function has seen it before a later {@link #load} returns. */
  void store(int bar, long offset, int size, long value);

  /**
   * Has a handler called when the function sends the message of a vector: PHYSDEVOP_map_pirq and
   * EVTCHNOP_bind_pirq. Closing the port unmaps the interrupt.
   *
   * @param vector 0 with MSI, the number of an entry with MSI-X
   */
  EventPort bindInterrupt(int vector, Runnable handler);

  /**
   * Registers pages of the domain's own memory.
   *
   * @param writable whether the device can be let write there
   * @throws HypercallException EINVAL if not all of it is the domain's, or one page is not writable
   */
  DmaBuffer register(long gfn, int pages, boolean writable);

  /**
   * Registers pages that the domain has mapped by grants, with the permission of the mapping. The
   * grants stay mapped until the buffer is closed.
   */
  DmaBuffer register(GrantMapping mapping);

  /** Makes what was unmapped unreachable for the device now, whatever the mode. */
  void settle();

  /** See {@link dev.domus.kernel.device.DmaMode#longestOpenNanos}. */
  long longestOpenNanos();

  /** See {@link dev.domus.kernel.device.DmaMode#open}. */
  int open();

  /** Lets the device go: it reaches nothing, and its buffers are closed. It stays the domain's. */
  @Override
  void close();
}
