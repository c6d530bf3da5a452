package dev.domus.kernel.device;

import org.pf4j.ExtensionPoint;

/**
 * Extension point: a mode of protection for DMA, which a driver in a service domain chooses by name
 * when it opens its device. {@code strict} is built in.
 *
 * <p>A mode decides <em>when</em> a device loses what its driver has unmapped. Frames that a driver
 * has registered stay its domain's until {@link dev.domus.iommu.dma.DmaProtection#settle} has
 * returned with all of them unmapped, so a mode that is late harms its own driver at most. One that
 * returns from settle too early harms others: as engines are, modes are trusted.
 */
public interface DmaModeFactory extends ExtensionPoint {
  /** The name by which drivers ask for it: {@code deferred}. */
  String name();

  /** One line for listings. */
  String description();

  /**
   * Says whether the device is let through to all of the machine's memory, untranslated. Such a
   * mode is refused to every domain but domain 0, and to that too unless the machine was started
   * with pass-through.
   */
  default boolean bypassesIommu() {
    return false;
  }

  /** Pages that it wants of the driver's domain, to put data between driver and device. */
  default int memoryPages() {
    return 0;
  }

  /** Begins to protect one device. */
  DmaMode create(DmaResources resources);
}
