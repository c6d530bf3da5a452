/**
 * Modes of protection for DMA beside strict, which is built in: {@link
 * dev.domus.dma.modes.Deferred} invalidates in batches, {@link dev.domus.dma.modes.Shadow} copies
 * through buffers that stay mapped, {@link dev.domus.dma.modes.Passthrough} protects from nothing.
 * What each costs and leaves open is in docs/iommu.md.
 */
package dev.domus.dma.modes;
