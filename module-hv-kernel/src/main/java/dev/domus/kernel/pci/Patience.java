package dev.domus.kernel.pci;

/**
 * How long the hypervisor waits for a device before it gives it up.
 *
 * @param completionNanos for stores to be taken, by a vCPU that loads or finds no room to store;
 *     the completion timeout of PCI Express is 50 ms by default (7.5.3.16, <i>Device Control 2</i>)
 * @param callNanos for a store that nobody waits for, as long as a device may be busy with one
 * @param resetNanos for start, reset and the end of DMA under way
 */
public record Patience(long completionNanos, long callNanos, long resetNanos) {
  /** For devices that are as they should be, on a host that is busy. */
  public static final Patience DEFAULT = new Patience(50_000_000, 1_000_000_000, 2_000_000_000);
}
