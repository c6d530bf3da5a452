/**
 * DMA mappings as a driver asks for them: a buffer in, an address for the device out. Start at
 * {@link dev.domus.iommu.dma.DmaMapper}; what an unmapping costs and leaves open is up to a {@link
 * dev.domus.iommu.dma.DmaProtection}.
 *
 * <p>It stands on {@link dev.domus.iommu.IoDomain} and {@link dev.domus.iommu.iova.IovaAllocator}
 * and knows nothing of domains, grants or drivers. That the frames are the caller's to give, and
 * stay so until a mapping is over, is the caller's to see to.
 */
package dev.domus.iommu.dma;
