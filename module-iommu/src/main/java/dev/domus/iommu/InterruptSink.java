package dev.domus.iommu;

/** Where remapped interrupts go: the kernel's event channels, say. */
@FunctionalInterface
public interface InterruptSink {
  /**
   * An interrupt, in the thread of the device. Short, and without exceptions.
   *
   * @param destination the 32 bits that {@link InterruptRemapping#set} was given
   * @param vector the 8 bits, likewise
   */
  void deliver(int destination, int vector);
}
