/**
 * DMA remapping: what a device may reach. A device names itself on the bus by its {@link
 * dev.domus.iommu.RequesterId requester id}; start there.
 *
 * <p>This package may know machine memory, and nothing of domains, hypercalls or plugins.
 */
package dev.domus.iommu;
