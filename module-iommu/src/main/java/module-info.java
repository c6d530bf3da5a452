/** DMA remapping: device contexts, I/O page tables, IOTLB, faults, quarantine. */
module dev.domus.iommu {
  requires transitive dev.domus.memory;

  exports dev.domus.iommu;
}
