/** DMA remapping: device contexts, I/O page tables, IOTLB, faults, quarantine; DMA mappings. */
module dev.domus.iommu {
  requires transitive dev.domus.memory;

  exports dev.domus.iommu;
  exports dev.domus.iommu.dma;
  exports dev.domus.iommu.iova;
}
