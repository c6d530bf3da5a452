package dev.domus.pciback;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.service.Hypercalls;

/** The functions of the machine's bus. */
record BusFunctions(Hypercalls hypercalls) implements Functions {
  @Override
  public boolean isAssigned(RequesterId id, int domid) {
    return hypercalls.control().pciDevices().stream()
        .anyMatch(device ->
            device.id().equals(id)
                && device.owner().isPresent()
                && device.owner().getAsInt() == domid);
  }

  @Override
  public int readConfig(RequesterId id, int offset, int size) {
    return hypercalls.readConfig(id, offset, size);
  }

  @Override
  public void writeConfig(RequesterId id, int offset, int size, int value) {
    hypercalls.writeConfig(id, offset, size, value);
  }

  @Override
  public int mapInterrupt(int domid, RequesterId id, InterruptKind kind, int vector) {
    return hypercalls.mapPirq(domid, id, kind, vector);
  }

  @Override
  public void unmapInterrupt(int domid, int pirq) {
    hypercalls.unmapPirq(domid, pirq);
  }
}
