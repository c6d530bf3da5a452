/**
 * I/O virtual addresses: which ranges of an I/O address space are free. Start at {@link
 * dev.domus.iommu.iova.IovaAllocator}. It knows nothing of tables, devices or memory.
 */
package dev.domus.iommu.iova;
