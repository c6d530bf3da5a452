package dev.domus.kernel.device;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.RequesterId;

/**
 * All that a device reaches: its side of the bus. Thread-safe. After the device has failed or was
 * unplugged DMA is refused, interrupts are lost and registers may be set without effect; nothing
 * throws for it.
 */
public interface DeviceBus {
  /** Who it is on the bus. */
  RequesterId requester();

  /**
   * Its way to memory, through the IOMMU: the addresses are those that its owner's software gave
   * it, and reach what its owner may reach. The same for the device's whole life, whoever owns it.
   */
  DmaPort dma();

  /**
   * What software reads from a base-address region.
   *
   * @param bar one of {@link FunctionSpec#bars}
   */
  Registers registers(int bar);

  /**
   * Sends the message of an interrupt vector. A vector that software has masked stays pending until
   * it is unmasked; one that is not enabled is lost. Never blocks.
   *
   * @param vector 0 … {@link FunctionSpec#vectors} - 1
   */
  void interrupt(int vector);

  /**
   * Starts a thread of the device, which is interrupted when the device fails or is unplugged and
   * should end then. One that throws is the device's failure.
   *
   * @param name what it does, for its name
   */
  void work(String name, Runnable task);

  /**
   * Says that the device is broken beyond what its registers can say: it fails, as if it had
   * thrown.
   *
   * @param reason for the operator
   */
  void fail(String reason);
}
