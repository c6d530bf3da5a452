package dev.domus.kernel.pci;

/**
 * How long the hypervisor waits for a device before it gives it up. A host with more to do than
 * CPUs may keep a device's thread from running for long, which is not the device's fault: so what
 * counts first is the CPU time that it uses, and by the clock it has much longer. The completion
 * timeout of PCI Express, up to 50 ms by default (7.5.3.16, <i>Device Control 2</i>), is for
 * devices that have a processor of their own.
 *
 * @param storeCpuNanos CPU time that the device may use in one store
 * @param storeNanos how long one store may take, and so how long a vCPU waits that loads, or finds
 *     no room to store
 * @param resetNanos for start, reset and the end of DMA under way
 */
public record Patience(long storeCpuNanos, long storeNanos, long resetNanos) {
  /** For devices that are as they should be, on a host that is busy. */
  public static final Patience DEFAULT = new Patience(500_000_000, 5_000_000_000L, 10_000_000_000L);
}
