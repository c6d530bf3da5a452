package dev.domus.kernel.passthrough;

import dev.domus.iommu.IommuUnit;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.mmu.Mmu;

/** The I/O address space of a domain, which is there while the domain has devices. Thread-safe. */
final class DomainSpace {
  private DeviceMemory memory;
  private int devices;

  /**
   * The domain gets a device; with the first one its memory is opened.
   *
   * @return 0, −ENOMEM, or −EINVAL if the domain is going
   */
  synchronized int enter(Mmu mmu, MachineIommu iommu) {
    if (devices == 0) {
      int error = make(mmu, iommu);
      if (error != 0) {
        return error;
      }
    }
    devices++;
    return 0;
  }

  private int make(Mmu mmu, MachineIommu iommu) {
    try {
      memory = new DeviceMemory(iommu.unit().newDomain(IommuUnit.USUAL_LEVELS, false));
    } catch (IllegalStateException noMemory) {
      return -Errno.ENOMEM;
    }
    iommu.enter(mmu.domid(), memory.space());
    int error = mmu.startDevices(memory);
    if (error != 0) {
      end(mmu, iommu);
    }
    return error;
  }

  /** The domain has lost a device, which is attached to this space no more. */
  synchronized void leave(Mmu mmu, MachineIommu iommu) {
    if (--devices == 0) {
      end(mmu, iommu);
    }
  }

  private void end(Mmu mmu, MachineIommu iommu) {
    memory.settle();
    mmu.stopDevices();
    iommu.leave(mmu.domid());
    memory.close();
    memory = null;
  }
}
