package dev.domus.kernel.mmu;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import java.lang.foreign.MemorySegment;

/** A device of one domain: I/O page tables that the MMU keeps, and a port through them. */
final class TestDevice implements DeviceReach, AutoCloseable {
  private final IommuUnit unit;
  private final RequesterId id;
  final IoDomain space;
  final DmaPort port;

  /** Attached to tables in which nothing is yet. */
  TestDevice(IommuUnit unit, int domid) {
    this.unit = unit;
    id = RequesterId.of(0, domid, 0);
    space = unit.newDomain(IommuUnit.USUAL_LEVELS, false);
    unit.attach(id, space);
    port = unit.newPort(id);
  }

  @Override
  public boolean open(long mfn, boolean writable) {
    int rights = writable ? IoDomain.READ | IoDomain.WRITE : IoDomain.READ;
    return space.map(mfn << 12, mfn, 1, rights) != IoDomain.NO_MEMORY;
  }

  @Override
  public void withdraw(long mfn) {
    space.unmap(mfn << 12, 1);
  }

  boolean reads(long mfn) {
    return port.read(mfn << 12, MemorySegment.ofArray(new byte[8]), 0, 8) == DmaPort.OK;
  }

  boolean writes(long mfn, int index, long value) {
    return port.storeLong((mfn << 12) + 8L * index, value) == DmaPort.OK;
  }

  @Override
  public void close() {
    unit.detach(id);
    port.revoke();
    space.close();
  }
}
