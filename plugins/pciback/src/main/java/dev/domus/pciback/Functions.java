package dev.domus.pciback;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.InterruptKind;

/**
 * What the backend asks the hypervisor about functions of the bus. Refusals are {@link
 * dev.domus.kernel.service.HypercallException}s.
 */
interface Functions {
  /** Says whether a function is a domain's. */
  boolean isAssigned(RequesterId id, int domid);

  /** Reads configuration space: offset 0 to 4095, aligned to the size of 1, 2 or 4 bytes. */
  int readConfig(RequesterId id, int offset, int size);

  /** Writes configuration space. */
  void writeConfig(RequesterId id, int offset, int size, int value);

  /** Sets a vector up as a physical interrupt of a domain, and returns that one's number. */
  int mapInterrupt(int domid, RequesterId id, InterruptKind kind, int vector);

  /** Takes a physical interrupt from a domain. */
  void unmapInterrupt(int domid, int pirq);
}
